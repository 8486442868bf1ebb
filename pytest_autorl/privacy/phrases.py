"""What texts say that speak to a language model, by family: the data of `injection`.

One phrase a line, over words with single spaces between them. ``a|b`` is either one; ``_`` a space within it; ``@name``
one of a set below; what stands in ``(?:...)?`` may be missing; ``..3`` is up to three words of any kind; the rest is
`re`. A line that is set in goes on with the phrase before it.

What apps say to people (``Ignore all notifications``, ``You are now signed in``, ``Forgot your password?``) must fit
none: a phrase asks for words that only a model is told.
"""

from __future__ import annotations

from typing import Final

SETS: Final = {
    "model": r"ais?|llms?|language_models?|chat_?bots?|gpt|(?:ai|virtual|automated)_(?:assistant|agent|model)s?"
    r"|artificial_intelligence",
    "persona": r"ai|llm|language_model|ai_(?:model|assistant|agent)|chat_?bot|bot|assistant|hacker|pirate"
    r"|(?:linux_)?terminal|shell|root_user",
    "unbound": r"dan|unrestricted|unfiltered|uncensored|jailbroken|evil|amoral",
    "orders": r"instructions?|prompts?|guidelines|guidance|directives?|directions|programming|system_messages?",
    "rules": r"rules|commands?|orders|constraints|context|training|polic(?:y|ies)",
    "before": r"previous(?:ly)?|prior|above|earlier|preceding|foregoing|original|initial|existing|system|past|current"
    r"|developer|safety|your|former|given",
    "earlier": r"previous(?:ly)?|old|prior|above|earlier|preceding|foregoing",
    "drop": r"ignor(?:e|ing)|disregard(?:ing)?|forget|overlook|overrid(?:e|ing)|overrule|bypass|discard"
    r"|stop_(?:following|obeying)|(?:do_not|dont|never|no_longer)_(?:follow|obey|comply_with|listen_to|adhere_to)"
    r"|pay_no_attention_to|set_aside|throw_(?:away|out)|unlearn",
    "never": r"do_not|dont|never|must_not|should_not|shall_not|cannot",
    "human": r"human|tester|operator|person_reading",
    "tell": r"tell|mention|reveal|inform|let|say|disclose|show|alert|notify|report",
    "show": r"reveal|show(?:ing)?|print|repeat|output|display|tell|give|dump|leak|share|write|quote|recite|summari[sz]e"
    r"|disclose|expose|return|what_(?:is|are|was|were)|translate|spell|list|state|paste|echo|reproduce",
    "leak": r"reveal|repeat|print|output|dump|leak|disclose|expose|recite|reproduce|echo|quote|summari[sz]e"
    r"|what_(?:are|were)",
    "prompt": r"(?:system|hidden|secret|initial|original|developer)_prompt|pre_?prompt|developer_message"
    r"|(?:hidden|initial|secret|internal|confidential)_instructions",
    "maker": r"developers?|makers?|programmers?|ai_(?:vendor|team|company|lab)|model_provider",
    "act": r"click|tap|delete|transfer|approve|install|buy|pay|grant|ignore|mark|skip|confirm|obey|stop|pass",
    "follow": r"follow|execute|obey|run|carry_out|act_on|do|comply_with|perform|answer|treat",
    "harm": r"delete|send|transfer|export|exfiltrate|read|upload|post|download|remove|rm|drop|wipe|install|email"
    r"|disable|fetch",
    "ever": r"all|every|any|each",
    "later": r"future|later|following|coming|subsequent",
    "talk": r"conversations?|chats?|answers?|responses?|replies|prompts?",
    "safety": r"safety|ethic(?:s|al)|moral|content_polic(?:y|ies)|guardrails?|alignment|censorship",
    "made_up": r"hypothetical(?:ly)?|fiction(?:al)?|imaginary|imagine|pretend",
    "robot": r"ai|assistant|language_model|chat_?bot",
}

PROSE: Final = {
    # Dropping "rules above" or "earlier instructions" is nothing that an app asks of people.
    "instruction_override": r"""
        @drop ..4 @before ..2 @orders
        @drop ..3 @orders ..3 above|before|so_far|earlier|until_now
        @drop ..3 @orders|@rules ..1 youve|you_have|you_were (?:been)? given|told
        ignore|disregard|forget (?:all|any|your|the|these|every|my)? instructions|prompts
        ignore|disregard|forget|stop_following ..2 @earlier|your ..1 @rules
        ignore|disregard|forget|do_not_follow|dont_follow all|any|everything ..2 @earlier ..1
            text|messages?|requests?|tasks?
        forget|disregard|ignore everything|anything|all|what|whatever ..2 you_(?:know|learned|have_learned)
        forget|disregard|ignore everything|anything|all|what|whatever ..2 you_(?:were|have_been)_(?:told|taught)
        forget|disregard|ignore everything|anything|all|what|whatever ..2 (?:i|they|we)_(?:said|(?:have_)?told_you)
        forget|disregard|ignore everything|anything|all|what|whatever (?:of)? (?:the)?
            above|before_this|that_came_before|that_comes_before|up_to_here
        @earlier|original|your instructions|prompts?|directives ..2 are|is|were ..2
            null|void|cancell?ed|invalid|obsolete|revoked|superseded|overridden
    """,
    "new_instructions": r"""
        here_are|these_are|here_is|this_is|follow (?:your|the|my|these)? new|updated|revised|real|actual|true
            (?:system)?
            instructions|prompt|directives?
        your real|actual|true|only (?:and_only)? task|goal|objective|job|mission|purpose|role is|becomes
        your new|updated (?:and_only)? task|objective|job|mission|purpose|role is_to|is_now|becomes|will_be
        your (?:new|real|actual|true|updated)? instructions|directives? is|are|will_be|becomes|follow ..1
            to|now|as
        from_now_on|from_this_point_(?:on|forward) ..2 you_are (?:an?|the|my|no_longer)? ..3 @persona|@unbound
        from_now_on|from_this_point_(?:on|forward) ..1 you (?:will|must|shall)? (?:only|always)?
            obey|answer|respond|act|speak|reply|pretend
        from_now_on|from_this_point_(?:on|forward) ..1
            answer_(?:as|every|only|all)|respond|obey|act_as|reply_only
        begin|start (?:a)? new conversation|session|chat with these|the_following|new instructions|rules
        new instructions?|orders|directives? for (?:the|you)? @model
        instead_of|rather_than summari[sz]ing|answering|testing|helping|completing|doing ..6
            you_(?:must|should|will)|output|print|write
        stop_what_you_are_doing|stop_your_(?:task|test|job) and
    """,
    "role_change": r"""
        you_are|youre now|actually|really|no_longer|henceforth an?|the|my ..3 @persona
        you_are|youre now|actually|really|henceforth (?:an?|the|in|completely|fully)? @unbound
        you_are|youre no_longer ..1 bound_by|limited_by|restricted_by|required_to_follow|an_assistant
        act|behave|respond|answer|speak|reply as|like (?:if|though)? (?:you_are|you_were)? an?|the ..3
            @persona|@unbound
        role_?play|pretend|imagine|simulate (?:as|to_be|that|being)? (?:you_are|youre)? (?:an?|the)? ..2
            @persona|@unbound
        switch|change your role|persona|identity|character to
        take_on_the role|persona|character of ..3 @persona|@unbound
        your_name_is_now
    """,
    "jailbreak": r"""
        do_anything_now
        @unbound|jailbreak|opposite mode|persona|version|prompt
        @unbound ai|assistant|language_model|chat_?bot
        bypass|disable|turn_off|switch_off|ignore|evade|remove|drop|circumvent|suspend|deactivate ..1
            your|its ..2 @safety ..1
            filters?|guardrails?|guidelines?|measures|rules|training|polic(?:y|ies)|checks?|restrictions
        bypass|disable|turn_off|switch_off|ignore|evade|circumvent|suspend|deactivate ..1 your
            guardrails?|censorship|alignment
        bypass|evade|circumvent|ignore ..2 all|any|the|these ..2 @safety ..1
            filters?|guardrails?|guidelines?|measures|rules|training
        without|no|free_(?:of|from)|not_bound_by|have_no ..2 ethical|moral|safety
            restrictions?|filters?|guidelines?|constraints?|limitations?
        developer_mode ..2 v2|output|response|persona
        you_(?:can|may|will|must|are_free_to) (?:now)? say|do|answer|output|generate anything ..2
            without|no_matter|even_if|unfiltered
        you_(?:have|are_under) no ..1 guidelines|filters|rules|ethics
    """,
    "prompt_leak": r"""
        @show ..5 @prompt
        your hidden|secret|system instructions|prompt
        @leak ..3 your instructions|prompt|system_message|guidelines|directives
        @show ..3 your own|exact|complete|entire|original|system|internal|secret|full
            instructions|prompt|message|guidelines|directives
        @show ..3 instructions|prompt you_(?:were|have_been)_given|above_verbatim|that_(?:came|come)_before
        repeat|print|output|recite|echo (?:all|all_of)? (?:the)?
            words|text|sentences|everything|content (?:that_is|that_are)? above|before_this
    """,
    "delimiter_break": r"""
        end|close (?:of)? (?:the|this)?
            user|untrusted|page|web_?page|document|data|tool|screen|external|quoted|prompt|context|input ..2
            begin|start|new|now|next|resume ..4 system|instructions?|prompt|commands?|directives?|trusted
        begin|start_of|beginning_of (?:the)? system|developer|trusted|real|admin
            prompt|instructions?|section|commands?
        everything|all_text|the_text|what after|below|following this (?:line|point|marker)? ..2 is|are|was ..3
            trusted|system|instructions?|commands?
    """,
    "tool_call": r"""
        call|invoke|execute|trigger (?:the|your|a)? ..3 tool|function|plugin|mcp_server|code_interpreter ..1
            to|with|named|called ..5 @harm
        use your ..1 tools?|plugins?|functions?|code_interpreter to @harm
        use (?:your|the)? shell|terminal|bash|command_line ..2 to
            delete|exfiltrate|transfer|wipe|remove|upload|send
    """,
    "concealment": r"""
        @never (?:ever)? @tell ..5 the|your|any @human
        @never tell|mention|reveal|let|say|disclose ..4 the_users?|your_users? ..3
            about|that|this|know|see|notice|of|these|what
        @never mention|reveal|disclose|talk_about|refer_to|acknowledge this|that|these|any_of_this ..2
            instructions?|message|prompt|note|rule|request|command
        without telling|informing|mentioning|letting ..3 the|your|any @human|user
        without (?:the|your)? users?|humans?|testers? knowing|noticing|seeing
        keep|hide this|these|it|that ..1 secret|hidden from (?:the|your)?
            users?|human|tester|operator|developers
    """,
    "false_authority": r"""
        i_am|im|this_is|we_are|speaking_as|as (?:really|actually)? your (?:real|original|lead|only)?
            developers?|creators?|makers?|programmers?|master
        message|note|notice|instructions?|orders?|directive from your (?:real|original)? @maker
        message|note|notice|instructions?|orders?|directive from the (?:real|original)?
            ai_(?:vendor|team|company|lab)|model_provider
        authori[sz]ed|approved|permitted|cleared|allowed|instructed by (?:your|the) ..1 @maker|creators? ..3
            to|so|you|please|ignore|skip|bypass
        admin|administrator|system|developer|root override code|accepted|authori[sz]ed|granted|engaged
        i_have|i_hold|i_got ..3 permission|authority|clearance ..3
            to_override|to_bypass|to_change_your|to_see_your|over_you
    """,
    "refusal_suppression": r"""
        you_(?:must|may|should|will|are) not|never ..1 refuse|apologi[sz]e
        never|do_not|dont|not_allowed_to (?:ever)? refuse
        @never apologi[sz]e or|and|for
        @never say (?:that)? you|i cannot|cant|are_unable|am_unable|are_not_able
        @never add|include|give any warnings?
        @never add|include|give (?:any)? disclaimers?|caveats?
        @never question this|these|my instructions?|orders?|request
        start|begin your|the|every|each answer|reply|response|output|message with (?:the_words?)?
            sure|absolutely|of_course|certainly
        refusal|refusing ..3 not|never|forbidden|impossible ..1 option|allowed|acceptable|permitted|forbidden
        comply|obey ..3 without_(?:question|hesitation|asking)|no_matter_what
        answer|respond|reply|comply ..3 without (?:any)? refusal|refusing|warnings?|disclaimers?|objections?
    """,
    "fiction": r"""
        @made_up|scenario ..12 no restrictions|laws|ethics|safety|guidelines|rules
        @made_up|scenario|story|novel|movie ..12 laws|ethics|guidelines|policies|rules do_not|dont
            apply|exist|matter
        @made_up ..6 an? @robot that|who|which|with|without
        write|tell ..3 story|novel|scene|play|dialogue ..6 @robot ..3
            no|ignores|without|unfiltered|reveals|explains|obeys
        @made_up|story|novel|scenario ..12 your instructions|guidelines|safety|restrictions|system_prompt
        my|our (?:late|dead|deceased|dear)? grandmother|grandma|granny ..3 used_to|would ..10
            passwords?|licen[sc]e_keys?|api_keys?|serials?|secrets?|system_prompts?
    """,
    "payload_splitting": r"""
        join|concatenate|combine|append|merge|assemble|put|piece|glue ..3
            parts?|strings?|fragments?|pieces|variables|halves|letters|syllables|chunks ..4 and|then ..2
            follow|execute|obey|run|carry_out|act_on|do_what|comply
        let|set|store|define (?:variable)? [a-z]\d? be|equal|to|as|is ..6 [a-z]\d? be|equal|to|as|is ..8
            execute|follow|obey|run|do|answer|print|say|output ..1 [a-z]\d? (?:plus|and|with)? [a-z]\d?
        first|1st letters? of each|every ..6 and|then ..2 @follow
        part 1|one of|is ..12 part 2|two of|is ..12 execute|follow|obey|run|combine|together
    """,
    "encoded_instruction": r"""
        decode|decrypt|decipher|unscramble|deobfuscate|un_?base64|rot13|reverse ..12 and|then ..2 @follow
            it|them|that|what|as|its|the_(?:result|output|instructions?|commands?|decoded|text|message)
        execute|obey|follow|carry_out|act_on|comply_with|run ..4
            decoded|decrypted|encoded|base64|rot13|deciphered|reversed ..2
            instructions?|text|message|commands?|string|prompt|orders?
    """,
    "addressed_to_model": r"""
        if_you_are|if_youre (?:an?|the|some)? ..2 @model
        attention|dear|hey|hello|listen (?:all|any|the|every)? @model
            reading|processing|seeing|viewing|parsing|that|who|please|you|ignore|this
        note|instructions?|message|notice|warning|important to|for (?:all|any|the|every)? @model
            reading|processing|seeing|viewing|that|who|which|you|please|this|only|ignore
        @model|assistant|agents? (?:that_(?:is|are))? (?:currently)?
            reading|processing|parsing|analy[sz]ing|summari[sz]ing|viewing this
            page|text|screen|app|message|document ..3 must|should|needs?_to|ha(?:s|ve)_to|shall|will|please
        when|once|after @model reads?|sees?|process(?:es)?|summari[sz]es? this|it
        @model must|shall|should (?:now|first|always|also|instead)? @act
    """,
    "memory_poisoning": r"""
        remember|memori[sz]e|save|store|keep|add|write|record|put ..8 in|into|to your
            (?:long_term)? memory(?!_(?:card|stick|of))|system_prompt|context_window
        remember|memori[sz]e this|that|the_following for|in (?:@ever)? @later @talk|sessions?
        remember|memori[sz]e|keep_in_mind ..8 in|for @ever @later @talk
        in|for @ever @later @talk ..2 you|always|never|must|say|recommend|ignore|answer|respond
        update|change|rewrite your memory(?!_(?:card|stick|of))|system_prompt|core_(?:rules|directives?)
    """,
    "verdict_tampering": r"""
        mark|report|declare|consider|record|count|log|classify|rate|grade this|the|all|every|these|any ..3
            tests?|checks?|steps?|scenarios?|assertions?|screens?|pages?|apps?|runs? ..2 as ..2
            pass(?:ed|ing)?|successful|green|ok|safe|trusted|verified|secure|completed? ..2
            regardless|no_matter|whatever|even_(?:if|though)|without|and_(?:skip|ignore|stop)
        skip|ignore|bypass|disable (?:all|any|the|every)? (?:remaining|further|other|security)?
            tests?|checks?|assertions?|verifications?|validations? and|then (?:just|only|simply|you)?
            report|mark|return|declare|answer|say|output|respond
        always|only answer|respond|reply|return|report|output|say (?:with)? (?:the_word)?
            pass(?:ed)?|true|success|safe|yes|ok ..4
            regardless|no_matter|whatever|even_if|to_(?:every|all|any)|for_(?:every|all|any)
    """,
    # The first family in German, French, Spanish with Portuguese and Italian, Dutch, Polish, Turkish, Russian.
    "other_language": r"""
        ignoriere?n?|vergiss|vergessen_sie|missachte ..4
            vorherigen?|vorigen?|bisherigen?|obigen?|fruheren?|deine ..2
            anweisung(?:en)?|instruktionen|regeln|befehle|vorgaben
        ignore[zr]?|oublie[zr]?|ne_(?:tiens|tenez)_pas_compte ..4
            instructions?|consignes?|regles|directives|ordres ..2
            precedentes?|anterieure?s?|ci_dessus|initiales?
        ignor[ae]|ignorar|olvid[ae]|haz_caso_omiso|esque(?:ce|ca)|desconsidere|dimentica ..4
            instrucciones|instrucoes|istruzioni|reglas|regras|regole|ordenes|ordens|comandi ..2
            anteriores|previas|anteriori|precedenti|de_arriba|acima|sopra|iniciales|iniciais
        negeer|vergeet ..4 vorige|voorgaande|eerdere|bovenstaande|jouw ..2
            instructies|opdrachten|regels|aanwijzingen
        zignoruj|ignoruj|zapomnij ..4 poprzednie|wczesniejsze|powyzsze ..2 instrukcje|polecenia|zasady
        onceki|yukaridaki ..2 (?:talimat|komut|kural)lar\w{0,6} ..2
            yok_say\w{0,4}|gormezden_gel\w{0,4}|unut\w{0,4}
        (?:про)?игнорируи(?:те)?|забудь(?:те)? ..4 предыдущи[ех]|прежние|прошлые|вышеуказанные|свои ..2
            инструкции|инструкциях|указания|правила|команды
    """,
}

#: The same in one word.
JOINED: Final = {
    "instruction_override": (
        r"(?:ignore|disregard|forget|bypass|override)(?:all|any)?(?:of)?(?:the|your|my|these|those)?"
        r"(?:previous|prior|above|earlier|preceding|system)(?:instructions?|rules|prompts?|directions|guidelines)"
    ),
    "prompt_leak": r"(?:reveal|show|print|repeat|output)(?:me)?(?:your|the)?(?:system|hidden|initial)prompt",
}

#: The same over the line, in scripts whose words are not all letters, or have no spaces between them: Chinese,
#: Japanese, Korean, Arabic, Hindi.
UNSPACED: Final = (
    r"(?:忽略|无视|忘记|忽視|無視)\w{0,8}(?:之前|以上|先前|前面|上面|所有)\w{0,6}(?:指令|指示|提示|规则|規則|说明)"
    r"|(?:以前|これまで|上記|前)\w{0,6}(?:指示|命令|ルール|プロンプト)\w{0,8}(?:無視|忘れ)"
    r"|تجاهل[^.!?]{0,20}(?:التعليمات|الأوامر|القواعد)[^.!?]{0,10}(?:السابقة|أعلاه)"
    r"|(?:पिछले|पूर्व)[^.!?]{0,12}निर्देश[^.!?]{0,16}(?:अनदेखा|भूल)"
    r"|(?:이전|위|앞)[\w ]{0,6}(?:지시|명령|지침|프롬프트)[\w ]{0,8}(?:무시|잊)"
)
