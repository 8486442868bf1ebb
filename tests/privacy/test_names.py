from __future__ import annotations

import pytest

from pytest_autorl.privacy.names import (
    is_password_variable,
    is_secret_name,
    is_secret_path,
    is_secret_variable,
    kind_of_name,
    url_password,
)

HARMLESS = [
    *(
        "accessibility_id",
        "token_count",
        "tokenCount",
        "max_tokens",
        "total_tokens",
        "fencing_token",
        "lease_token",
    ),
    *(
        "key",
        "keys",
        "monkey",
        "keyboard",
        "keycode",
        "key_code",
        "keyName",
        "primary_key",
        "cache_key",
        "sort_key",
    ),
    *(
        "author",
        "authorized",
        "authority",
        "pinned",
        "pin_to_top",
        "pinch",
        "pan",
        "spin",
        "mapping",
        "pass",
        "passed",
    ),
    *(
        "secretary",
        "tokenizer",
        "password_field_id",
        "passwordVisible",
        "cookie_banner",
        "card",
        "cards",
        "number",
    ),
    *(
        "id",
        "name",
        "value",
        "udid",
        "platform",
        "model",
        "tags",
        "resource-id",
        "content-desc",
        "bounds",
        "status",
    ),
    *("session_id", "lineno", "duration", "when", "outcome", "nodeid", "passenger", "compass", "bypass", ""),
]


@pytest.mark.parametrize("name", HARMLESS)
def test_everyday_keys_say_nothing_about_their_values(name: str) -> None:
    assert kind_of_name(name) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, "PASSWORD")
            for name in ("password", "userPassword", "PASSWORD", "db.passwd", "passphrase", "pwd")
        ),
        *((name, "PASSWORD") for name in ("client_secret", "clientSecret", "user-pin", "PIN", "otp", "cvv")),
        *(
            (name, "PASSWORD")
            for name in ("password2", "password_value", "new_password", "passwordConfirmation")
        ),
        *(
            (name, "API_KEY")
            for name in ("token", "accessToken", "access_token", "API_KEY", "X-Api-Key", "apiKey")
        ),
        *(
            (name, "API_KEY")
            for name in ("Authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "authKey")
        ),
        *(
            (name, "API_KEY")
            for name in ("aws_secret_access_key", "sauce:accessKey", "privateKey", "refreshTokens")
        ),
        *((name, "SSN") for name in ("ssn", "user_ssn", "socialSecurityNumber")),
        *((name, "CREDIT_CARD") for name in ("credit_card", "creditCardNumber", "card_number", "CardNumber")),
    ],
)
def test_keys_of_secrets_say_of_which_kind_these_are(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind


def test_a_key_that_is_as_long_as_a_text_is_no_name() -> None:
    assert kind_of_name("why " * 40 + "password") is None


@pytest.mark.parametrize(
    "name",
    [
        *(
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "DB_PASSWORD",
            "PGPASSWORD",
            "MYSQL_PWD",
        ),
        *(
            "AUTORL_ENCRYPTION_KEY",
            "STRIPE_KEY",
            "SENTRY_AUTH_TOKEN",
            "npm_token",
            "SUDO_PASS",
            "CLIENT_SECRET",
        ),
        *("SECRET_KEY_BASE", "STRIPE_SECRET_LIVE", "LAB_PASSWORD_STAGING"),
    ],
)
def test_variables_of_secrets_are_known_by_name(name: str) -> None:
    assert is_secret_variable(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PWD",
            "OLDPWD",
            "PATH",
            "HOME",
            "TOKEN_FILE",
            "SSH_AUTH_SOCK",
            "SECRET_NAME",
            "PASSWORD_STORE_DIR",
        ),
        *("TOKENIZERS_PARALLELISM", "KEYBOARD_LAYOUT", "TOKEN_URL", "PYTEST_CURRENT_TEST", "", "_"),
    ],
)
def test_variables_that_say_where_a_secret_is_hold_none(name: str) -> None:
    assert not is_secret_variable(name)


def test_what_people_type_is_told_from_what_machines_make() -> None:
    names = ("DB_PASSWORD", "PGPASSWORD", "SUDO_PASS", "API_TOKEN", "SECRET_KEY", "")
    assert [is_password_variable(name) for name in names] == [True, True, True, False, False, False]


def test_farm_files_are_judged_more_strictly_than_data() -> None:
    assert is_secret_name("browserstack.key")
    assert kind_of_name("browserstack.key") is None


def test_within_capabilities_every_key_counts() -> None:
    assert is_secret_path(("devices", 0, "capabilities", "token", "value"))
    assert not is_secret_path(("token", 0, "value"))


@pytest.mark.parametrize("user", ["bob", ""])
def test_a_password_in_a_url_is_found_with_and_without_a_user(user: str) -> None:
    word = "-".join(("s3", "cr3t"))
    assert url_password(f"https://{user}:{word}@host/") == word
    assert url_password("https://host:4723/") == ""
