"""What texts hold that imitate a conversation with a language model, call its tools or send data away.

Patterns over the line with its punctuation; the prose is in `phrases`. All quantifiers are bounded.
"""

from __future__ import annotations

from typing import Final

#: An address that data can be sent to.
_URL: Final = (
    r"[^\s\w]{0,2}(?:the )?(?:url |address |endpoint |server |site )?[^\s\w]{0,2}(?:https?://|www\.)"
)
_MAIL: Final = r"[^\s\w]{0,2}[\w.+-]{1,64}@[\w-]{1,63}\."
_SEND: Final = r"\b(?:send|post|upload|forward|submit|email|mail|transmit|leak|exfiltrate)\b[^.!?]{0,80}?\b"
_PRIVATE: Final = (
    r"(?:system prompt|cookies?|api keys?|access tokens?|session tokens?|environment variables|private keys?"
    r"|(?:all|saved|stored|users|user's|their) (?:passwords?|credentials|contacts)|everything (?:you|above)"
    r"|what you (?:see|know|have))"
)
_TALK: Final = (
    r"(?:conversation|chat history|chat log|prompt|secrets?|credentials|passwords?|contacts|page content"
    r"|user data)"
)
#: Over the line with its punctuation: what must be in it, one of these, and the pattern.
MARKUP: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "new_instructions": (
        (":",),
        (
            r"(?:^|[.!?>\])#*-] ?)(?:new|updated|revised) (?:system )?(?:instructions?|directives?|prompt)"
            r"(?: from \w{1,20})? ?:"
        ),
    ),
    "chat_markup": (
        ("<", "[", "#"),
        (
            r"<\|? ?(?:im_start|im_end|im_sep|endoftext|endofprompt|system|user|assistant|eot_id|start_header_id"
            r"|end_header_id|begin_of_text) ?\|>"
            r"|\[/? ?inst ?\]|<</? ?sys ?>>|<(?:start|end)_of_turn>|\[system\] ?\(#(?:assistant|context|error)\)"
            r"|<[/ ]?(?:system|system[_-]prompt|system_message|assistant|developer_message)>"
            r"|#{2,6} ?(?:new )?system prompt|[\[<{(]{1,3} ?(?:system|admin|root)[_ ]override"
            r"|#{2,6} ?(?:system|instruction|assistant|system prompt|new instructions?) ?(?:prompt|message)? ?:"
            r"|\[(?:system|assistant|developer)(?: message| prompt| note| override)?\] ?:? ?"
            r"(?:you (?:must|are an?)|ignore|disregard|forget|from now on|override|reveal"
            r"|do not (?:tell|follow|refuse))"
        ),
    ),
    "fake_turn": (
        (":", "]"),
        (
            r"(?:^|[\s.!?>\"'(*])(?:system|assistant|developer|administrator|admin|ai) ?"
            r"(?:message|prompt|note|notice|override|instruction|command)?s? ?[:\]] ?[\"'*]{0,3} ?"
            r"(?:please |now |attention |important )?(?:"
            r"you must (?:now )?(?:ignore|obey|follow|comply|answer|respond|reveal|click|tap|never|always)"
            r"|you are an? (?:\w{1,20} ){0,3}(?:ai|assistant|model|bot)\b"
            r"|you will (?:now )?(?:obey|ignore|comply|act)"
            r"|ignore (?:all|any|the|your|everything|previous|prior|safety)"
            r"|disregard |forget (?:all|your|everything|previous)"
            r"|from now on|override (?:all|the|your|safety)|always (?:answer|respond|reply|obey)"
            r"|never (?:refuse|mention|reveal|decline)|obey )"
            r"|\b(?:human|user) ?: ?[^:]{1,120}\b(?:assistant|ai|model) ?: ?"
            r"(?:sure|of course|certainly|okay|ok|yes|absolutely)\b"
        ),
    ),
    "tool_call": (
        ("tool", "function", "action", "invoke"),
        (
            r"</?(?:tool_call|tool_use|function_call|function_calls|tool_code|invoke|tool_response|tool_result)\b"
            r"|[\"']?(?:tool_calls?|function_call|tool_use|tool_choice)[\"']? ?: ?[\[{\"']"
            r"|\baction ?: ?.{1,80}?\baction[ _]input ?:|\bthought ?: ?.{1,200}?\baction ?:"
            r"|\bobservation ?: ?.{1,200}?\bfinal answer ?:"
        ),
    ),
    "exfiltration": (
        ("http", "www.", "@"),
        (
            r"!\[[^\]]{0,200}\] ?\( ?https?://[^\s)]{1,300}?"
            r"(?:\{|%7b|<[a-z]|\$|=[a-z_-]{0,30}(?:secret|prompt|history|token|password|context|conversation))"
            rf"|{_SEND}{_PRIVATE}\b[^.!?]{{0,60}}?\b(?:to|into) (?:{_URL}|{_MAIL})"
            rf"|{_SEND}{_TALK}\b[^.!?]{{0,60}}?\b(?:to|into) {_URL}"
            r"|\b(?:get|fetch|visit|open|load|request|curl|navigate to|go to|browse to) [^\s\w]{0,2}https?://\S{1,200}?"
            r"[?&/](?:[a-z_]{1,20}=)?[\[{<$%]\S{0,40}?(?:data|secret|prompt|history|password|context|conversation|cookie)"
        ),
    ),
}
