"""The words in the names of fields that say whether a value is secret."""

from __future__ import annotations

#: What a key that matters has in it, in lower case.
STEMS = (
    *(
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "auth",
        "cred",
        "kennwort",
        "contrase",
        "senha",
        "parola",
        "wachtwoord",
    ),
    *(
        "sig",
        "jwt",
        "bearer",
        "motdep",
        "mot de p",
        "mdp",
        "sasl",
        "salasana",
        "haslo",
        "heslo",
        "losenord",
        "lösenord",
    ),
)
#: Last words of a key whose value is a password, whatever it looks like.
_STRONG_WORDS = (
    "password passwd passwrd passphrase passcode pwd passwort kennwort motdepasse mdp contrasena "
    "contraseña senha parola wachtwoord salasana haslo heslo losenord lösenord passwords pswd userpass "
    "dbpass storepass keypass sshpass smtppass ftppass"
)
STRONG = frozenset(_STRONG_WORDS.split())
STRONG_ENDS = ("password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "wachtwoord", "pwd")
#: Value must look made at random.
_MEDIUM_WORDS = (
    "secret secrets token tokens pass credential credentials cred creds auth bearer authorization "
    "signature sig jwt apikey accesskey secretkey authkey passkey privatekey authtoken accesstoken "
    "apitoken refreshtoken idtoken clientsecret appkey appsecret apisecret encryptionkey masterkey "
    "signingkey sessionkey accountkey sharedaccesskey licensekey csrftoken csrf xsrf keys sharedsecret "
    "usertoken bottoken devicetoken pushtoken fcmtoken"
)
MEDIUM = frozenset(_MEDIUM_WORDS.split())
#: Before "key", they make it a secret one.
_KEY_BEFORE_WORDS = (
    "api access secret private encrypt encryption sign signing master auth account shared app application "
    "client consumer storage service license licence subscription deploy project server user session "
    "admin aes hmac cipher decryption crypto root developer dev partner merchant write read ingest "
    "ingestion upload publish integration using with webhook routing personal function functions host "
    "automate bot ssh jwt data x"
)
KEY_BEFORE = frozenset(_KEY_BEFORE_WORDS.split())
#: Words after the one that matters, which leave it what it is.
_STILL_WORDS = (
    "value new old current confirm confirmation repeat again plain plaintext raw enc prod production "
    "staging stage dev test qa live sandbox b64 base64 str string default master root admin user db "
    "database key id_token primary secondary backup hex main env ci github gitlab aws gcp azure s x "
    "sha256 hmac"
)
STILL = frozenset(_STILL_WORDS.split())
#: Words after a password that make it something about one.
_ABOUT_WORDS = (
    "length len age policy field fields hint type expiry expires expired expiration count strength "
    "required enabled disabled visible visibility id url uri path file filename name label min max ttl "
    "timeout reset changed manager box view layout dialog screen activity toggle page button link title "
    "text message msg error errors attempts retries tries rules rule regex pattern validator validation "
    "mode prompt status state quality provider store storage checker format encoder last updated modified "
    "date time at on in fragment placeholder description desc locked selector locator xpath element el "
    "input edit edittext textbox editor icon size history complexity cost rounds algorithm algo source "
    "keyboard helper service authentication less free protected autofill saver generator is was for to "
    "and has must not cannot will with of too does should incorrect invalid correct"
)
ABOUT = frozenset(_ABOUT_WORDS.split())
#: Words before a password that make it a question or a button.
_ASKED_WORDS = (
    "show forgot forgotten hide require requires has is no allow enable use remember invalid wrong "
    "missing incorrect lost recover save toggle check validate verify without needs need supports can bad "
    "expired empty weak strong"
)
ASKED = frozenset(_ASKED_WORDS.split())
