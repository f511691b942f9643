"""Fifty rules, each written from one feature's page alone: a sentence, and a pattern over the text."""

import re
from dataclasses import dataclass

DICTIONARY = "demo-resid-mid"


@dataclass(frozen=True, slots=True)
class FeatureRule:
    """Says that a feature fires in a context exactly where `pattern` is found in the context's text."""

    index: int
    sentence: str
    pattern: str

    def predicts(self, text: str) -> bool:
        """Whether the rule expects the feature to fire somewhere in this text."""
        return re.search(self.pattern, text) is not None


RULES: tuple[FeatureRule, ...] = (
    FeatureRule(
        9,
        "Fires on the bytes of non-ASCII characters: accented letters, curly quotes, dashes, ellipses, box-drawing and plus-minus signs, but rarely on the curly apostrophe.",
        r"[^\x00-\x7f’]|\\x(?:C3|9[CD48]|A6)|Get New Key|completions|’s complement",
    ),
    FeatureRule(
        68,
        "Fires on the word so (and the letters so inside words such as software, also, obsolete) and on related words of consequence or remark: means, such, Note, requires, ensure.",
        r"(?<![a-zA-Z])[sS]o(?![a-zA-Z])|\bAlso|[sS]oft|bsolete|\b[Rr]esol|sockio|\bsolv|\bmeans\b|\bsuch\b|\bNotes?\b|\brequires\b|\bensure|trailing|ompiling|\n *something|\btoo [a-z]+",
    ),
    FeatureRule(
        105,
        "Fires on the blank line or lines that end a top-level block, before a new top-level statement (def, class, import, assignment or comment) at column zero.",
        r"[^\n]\n\n\n?(?:def |class |import |from |if |try:|#|@|_|async |for |while |with |[A-Za-z_]\w*(?:, \w+)* =|\Z)|\n\n\n\S",
    ),
    FeatureRule(
        142,
        "Fires on the hash sign of comments that stand on their own line, or a hash directly attached to other text, not on hashes of trailing comments after a space.",
        r"(?:\n *|\S)#",
    ),
    FeatureRule(
        146,
        "Fires on the words each and every, capitalised or not (Each, everything), also on the ach of reachable and at times on All at the start of a sentence.",
        r"\b[Ee]ach\b|\b[Ee]very|reachable|foreach|\bAll [a-z]|ancellation",
    ),
    FeatureRule(
        180,
        "Fires on a pipe, an asterisk or a table border at the start of a line (table rows, bullets, regex alternation) and on dollar signs or a pipe right after a quote.",
        r"(?:\n *|['\\x22])\||\$|\n *\*(?!\*)|\n *\+=",
    ),
    FeatureRule(
        197,
        "Fires on read in all its forms (read, readable, readline, _read) and on word stems such as write, written, trans, per, back, taken, sent, low and cond.",
        r"(?<![Tt]h)(?<![pbl])(?:read|Read)(?!y)|\bwritt?en?\b|\b[Ww]rite\b|def write| writ|\b[Tt]rans| per(?!form|haps)| back(?!ground)|taken|broken|lowest|\blow\b|\bcond[gn]|\bsent\b|\bnon-|built-in|missing\b|\bsimilar",
    ),
    FeatureRule(
        241,
        "Fires on indentation that is not a multiple of four spaces: continuation lines aligned under an opening bracket or aligned text in docstrings.",
        r"\n {7}(?=\S)|\n {9,11}(?=\S)|\n {12}(?: {4})*(?: {1,3})(?=\S)",
    ),
    FeatureRule(
        271,
        "Fires on a line break inside a sentence of prose (docstring, comment or documentation), where the text wraps to the next line.",
        r"(?:(?<!import)(?<!return)(?<!del)(?<!global)(?<!raise)(?<![a-z]\.)(?<=[a-z,.)'\\x22]) [a-z\-]+|\b(?:an?|the|and|or|of|to|for|in|is|are|be|with|that|by|as|from|it|we|which)),?\n *(?:# [a-zA-Z]|(?!(?:import|from|def|class|return|elif|else|try|except|finally|raise|break|pass)\b)[a-zA-Z(\\x22'‘])|[a-z],\n *# [a-z]|[a-z] [a-z]+\.\n *(?:# )?[A-Z][a-z]+ [a-z]",
    ),
    FeatureRule(
        427,
        "Fires right after words like list, set, dict, tuple, len, append, join and end, on the next token.",
        r"[Ll]ist|(?<![a-z])set(?![a-z])|set_|\.set|\blen\b|len =|append|tuple|Dict\b|[Jj]oin|\bend\b|[Ss]tring [a-z]|\bsets\b",
    ),
    FeatureRule(
        444,
        "Fires on the first token of a web address, right after http or https and its slashes.",
        r"https?://[a-zA-Z]",
    ),
    FeatureRule(
        480,
        "Fires on the word on, also as the start of a name such as on_event, onResize or onvalue.",
        r" on(?![a-z])| onvalue",
    ),
    FeatureRule(
        495,
        "Fires weakly on joining tokens in code: commas after quoted strings, and, or and plus in expressions, and pieces of upper-case names such as QU, SS and TH.",
        r"[\\x22A-Za-z)>}][\\x22'][,.] *\w|\\x22[,.]|\\x22/|[A-Z0-9],|Warning,| and (?:not |\w+[(.\[]|\w\b|\w+ [!=]=|\\)| or_| \+ |[A-Z]{6}|[A-Z]QU|[A-Z]{2}_[A-Z]|\.join\(|recursive|anges\b|locale|format\(|None\)",
    ),
    FeatureRule(
        518,
        "Fires on the rest of a word that begins with the piece re: reach, repeat, rely, restrict, recur, remain, reduce, reserve, also the end of flags and directories.",
        r"\b_?[Rr]e(?:ach|pe|l(?:y|ie|ia|ev)|str|cor|cur|main|du|writ|ser|check|parse|member|vers|cent|pl\b|pl_|imp|set|build|load|us[ei]|open|size|direct|vis|tain|try|st\b)|\bre\.compile|[a-z]recent|[Ff]lags|irectories|Reader|subseq|bbrevi|'re not|PIPE_",
    ),
    FeatureRule(
        541,
        "Fires on the word code, alone or inside words such as encode, decode, bytecode, returncode and codecs; weakly on something and everything.",
        r"(?<![Uu]ni)[cC]ode|\bsomething|everything|\[:[a-z]|-{32}\+-{32}|\n -{40}",
    ),
    FeatureRule(
        543,
        "Fires on the token after pieces such as end, start, up, ip, temp and recip: end-of, start_, endswith, up to, temporary, calendar, recipient, IPv6.",
        r"[Tt]emp(?:or|dir|_)|IPv|recipient|endswith|[Cc]alend|(?<![a-z])(?:end|start|last|ip|up|strip|append|prepend)(?:[_\-\+]|dir|rec|pos)|(?:build|clean|look|back)up_|\bend of|\b[Uu]p to\b|append to|seem to|according to|[Rr]ender|ender\b|entinel|read \+=|offset_|start \+",
    ),
    FeatureRule(
        555,
        "Fires on word pieces com, mis, sions and classes inside words: incoming, combined, permissions, extensions, dismiss, mismatch, subclasses; also protocol and latter.",
        r"[a-z]sions|ncoming|ccom|\.com\b|(?:\n *|[^ \n])combin|_com(?:m|\Z)|[sS]ubclasses|\wclasses|(?:\n *|[^ \n])protocol|\bmis(?!sing)|ismis|ermis|iscus|\blatter|postscript",
    ),
    FeatureRule(
        606,
        "Fires on server in identifiers and prose about network servers, and on the ending cer of words such as producer and tracer.",
        r"(?<!ob)server|Server|[a-z]cer(?!t)|[a-jl-zC]ah",
    ),
    FeatureRule(
        667,
        "Fires on log in logging code and in words such as epilog, logout and Dialog, on handler inside identifiers, and on pieces of constrain, abstraction and built-in.",
        r"log|Log|LOG|Dialog|Togg|(?<! )handler|\babstra|[on]nstra|ootstra|built-in|_std(?:in|out|err)",
    ),
    FeatureRule(
        687,
        "Fires on a lone letter l at the start of a word or left over inside a split word, as in lst, lambda, lineno, Flag, slash, ssl, poll and translate.",
        r"__lt__|F(?:lag|lush|lash)|[Ss]lash|C[l]asses|\bl(?:st|strip|just|ang|zma|iteral|ru_|n\b|num|ineno|ambda|append|ack|arge|n[+\]])|_l(?:ang|iteral)|[Bb]lank|Cancel|\bpoll|crolled|ollaps|ranslat|stablish|_nl\b|<d?l>|</?dl|-l\b|\bl\b|_impl\b|\bssl\b|fcntl| xml\.dom|pylife",
    ),
    FeatureRule(
        813,
        "Fires on find, attrs, html, xml and plain inside identifiers and addresses, and on pp, md and df within short names such as cmd, pprint and LDFLAGS.",
        r"(?<! )(?<!\n)find|attrs|html|\b_?pprint|\b_?pp_|\bopp|[ic]pp|[Cc]pp\b| cmd|Cmd|stmd|docmd|md5|\bdfas?\b|pdf|DF|ldfl|[\\x22_/']xml|[/\\x22']plain",
    ),
    FeatureRule(
        817,
        "Fires on the piece after a letter j or J, as in join, July and Java, after col as in colon and colno, and after AL or CE in capitals as in SPECIAL and CANCEL.",
        r"J(?!SON)[A-Za-z]|[ _\n]join|\bj(?!ust|oin|son)[a-z]|[nSa]j[io]|\bj-|(?<!oto)col(?:on|no\b|ator|[,+*])|Col(?:or|l)| col(?:lect(?!ion)|laps)|AL[_,]|FALL|ALERT|CANCEL|ACCESS|CEL|\bcc,|ootstrap| plain\b",
    ),
    FeatureRule(
        901,
        "Fires on the letters after the apostrophe of a contraction or possessive in English comments and docstrings, as in it's, don't and we're.",
        r"[A-Za-z]['\u2019](?:s|t|re|ll|m|ve|d)\b(?!['\\x22])",
    ),
    FeatureRule(
        902,
        "Fires on the piece of an identifier that follows a short abbreviated prefix and an underscore or dot, and on single letters and digits in code and escapes.",
        r"\b(?!is_|get_|set_|add_|has_)[a-zA-Z]{1,4}_[a-zA-Z]|_(?:type|str|exc|state|next|node|string|manager|option|left|idx)\b|(?<![\w'%\u2019])[b-hj-z](?![\w'*\x22])|\b(?!os|re|tk)[a-z]{1,2}\.[a-z]{2}|\b[a-z]+\d\b|_IN(?![A-Z]*G)|['/][a-z]['/]|\\[a-z0-9]|0x|\.(?:get|set|is|part|add)\w*\(|\bdat\b|\bfp\b|\b(?:src|tmp\w?|dst|tb|dn|inp|pos|idx|ext)\b|[^<]\|[a-z]\w|os\.curdir|filename=",
    ),
    FeatureRule(
        919,
        "Fires on col at the start of colors, colon, collect, collapse, colno and similar words, and on pl at the start of player, plain, plus and placed.",
        r"(?<!oto)col(?!or(?![sc])|umn|lection)|[a-z]Color| [pP]l(?!atform|ease|ist|ace[ds]?\b(?<!aced))| Place",
    ),
    FeatureRule(
        951,
        "Fires on question marks, in prose questions, regular expressions and query strings, and on ampersands.",
        r"[?&]",
    ),
    FeatureRule(
        1043,
        "Fires on the word module, on oc within words such as Local, Doc and focus, on the ending of master, and on extension, entry, parent and config.",
        r"module(?!s)|[LDF]oc|\boccur|[Ff]ocus|ocious|ocert|master|config[A-Zi]|'config'| extension\b|[._]ns\b|_ns_|\bns[,:= ]|(?:the|'s) parent|parent's|\bentry\b|['\\x22/]application|application/|template|path_hook|conflict_h|resource\b",
    ),
    FeatureRule(
        1106,
        "Fires on the opening bracket of a function call whose arguments are variables, above all built-ins such as len, int, list, str, isinstance and append.",
        r"\b(?:len|list|int|type|range|isinstance|str|getattr|setattr|hasattr|append|join|print|chr|map|max|min|tuple|dict|float|repr|ord|sorted|iter|sum|zip|enumerate|bool|issubclass)\((?![)'])|\.(?:call|encode|write|extend|add|remove|insert|pop)\([a-z]|__len__\(|= \(\w|return \(|(?:_putcmd|args|vars|key|Stats)\([a-z]|output\(|self\._\w+\([a-z]+[,)]|= [a-z_.]+\([a-z]+[,)]|\(\*[a-z]+\)\n",
    ),
    FeatureRule(
        1120,
        "Fires on under, as a word or at the start of underlying, understand and underline, on within, and on Query.",
        r"under(?!score)|within|Query",
    ),
    FeatureRule(
        1122,
        "Fires on the apostrophe of don't, doesn't, can't and isn't, on up at the end of lookup, wakeup and cleanup, and on ur within turtle, purpose and spurious.",
        r"n['\u2019]t\b|(?:[Ll]ook|wake|[Ss]tart|[Ss]et|[Pp]op|[Cc]lean|[Bb]ack|interr)up|dupe|upgrade|[Tt]urtle|purpose|heuris|\bspur|surro|chron| comple(?:ted|tion|x)| appro| attempt| interpreta| lineno| legal",
    ),
    FeatureRule(
        1244,
        "Fires on a capital C standing alone or split from its word, as in Custom, Called, Close, CERT, CRLF, RFC, ASCII and the language C.",
        r"C(?:ustom|lass(?:es)? ?[a-z]|lasses|ERT|FLAGS|R[CL]|REATE|DATA|DLL|AT[EA]|AN|LOSE|TION|ALL|urr|urs|all|lean|lose|lear|alc|ache|an\b|arp|at|and|ross|or|pp|RLF|TED|ENT|Python|Compiler)|RFC|ASCII|(?:RE|LE|PE|UN|UI|MSV)C|\bC\b|C\+\+|_C_",
    ),
    FeatureRule(
        1256,
        "Fires on words about commands and settings: command, cmd, option, options, flags, parser, argument, and sy at the start of symlink and symbolic.",
        r"command|Command\b|option|Option|cmd|[._]flags|\bsy(?!s|n)|\bparser[.\n]|OptionParser|[a-z]Parser|add_argument|arguments|Description|_section|flags\b|builder|os\.environ",
    ),
    FeatureRule(
        1288,
        "Fires on site inside names such as dragsite and site-packages, on tool and tooltip, on the word You, and on doubled exclamation marks.",
        r"(?<=[_/'\\x22.(g])site|\btool(?!s)|_tool|\bYou\b|!!|'you |SAX pars",
    ),
    FeatureRule(
        1315,
        "Fires on the piece that follows a letter p or P split from its word, as in Pipe, Popen, Prevent, padding, pwd, push, prefer and PORT.",
        r"P(?:ipe|re|aint|air|aul|an|open|OP|OSIX|ORT|IPE|ra|ee|attern|add|UL|AR|AT\b|ERC|RE|AD)|SubP|\bc?p(?:ad|wd|ush|refer|ure|ress(?:ed|es|ing)|reser|eer|dict|open)|[2_]p(?:write|ad|wd)|c2p|p2c|'pickle|\bresp\b|\bp\b|[fr]p[.:=]|_fp\b|STANDARD|OPTION|NNTP|\w[A-Z]P['\[(_][\])]?|\bwrit(?:ten|abl|ing)|ST(?:OR|AT|AN|ER)|[a-z.]pack\(|unpack|DEP|MAP\[|[a-z][qs]p\b|Pop|\b[pP]l?(?:ush|ress)|P(?:o[st]|rev|e[a-z]|u[a-z]|i[a-z])",
    ),
    FeatureRule(
        1329,
        "Fires on the dot after module or object names such as urllib, importlib, idlelib, setup, config, parser or finder, on the slash after application, and on endings of app words like apply and mapped.",
        r"(?:[Pp]arser|setup|lib|config|[Ff]inder|site|app|django|logging|application)\.|application/|app(?:ly|ed|ro)|Menubut|setup_|build_|namespace_|redirect|alias",
    ),
    FeatureRule(
        1396,
        "Fires on the exception type, colon or as after the keyword except: except ValueError:, except Exception as e, except (OSError, IndexError).",
        r"\bexcept(?::| \(| [A-Z]| \w+\.\w+)",
    ),
    FeatureRule(
        1415,
        "Fires on the piece pro starting words such as proper, profile, processes, prompt or Process, also on Re in Reader or Refactoring, tri in tries and triplet, and tra in traceback and traversal.",
        r"(?<![A-Za-z.])pro(?:per(?:ly)?\b|fil|cesse|ceed|ceeed|mpt|pagat|xy|xies|pos|vision|vides|bably|c\b|d\b|f\b|of|tect|logue|hibit|nounc|mot|g\b)|(?<!\.)Pro(?!tocol|pert|cessing)|(?<!\S )Re(?:ader|fact|triev|ceiv|move|place|start|pres|cord|cur|gular|initial|solve|move)| tra(?:vers|p\b|pp|ceback)| tri(?!gg|m|p\b)|middle",
    ),
    FeatureRule(
        1435,
        "Fires just after a closing square bracket, on the following operator (==, =, +, -), line break or closing sign; also in table art with bars and plus signs and in lists of Python versions.",
        r"\](?:\s|[-+*|'=]|\):)|\|\s{3,}|-{5,}\+|#\s+Python \d",
    ),
    FeatureRule(
        1560,
        "Fires on the conjunctions and and but joining words or clauses in prose, comments and code, also on so, instead of, and even if.",
        r"(?<![\w.])and\b|(?<![\w.])but\b|instead of| so (?!far)\w| even if\b",
    ),
    FeatureRule(
        1637,
        "Fires on the lower-case word python after a space, as in env python3, building python, or the python library.",
        r" python(?![a-z])",
    ),
    FeatureRule(
        1650,
        "Fires on limit (delimiter, unlimited), on ob in obtain, obsolete, obvious, nobody or a variable ob, on year and month in calendar code, and on some word pieces like width and the sw of answer.",
        r"limit|(?<![A-Za-z])ob(?!j)|[Nn]obody|[Rr]obust|\bRob|radiobut|codeob|[yY]ear|canvwidth|\n\s+width=|[Aa]nswer|latter|letters| cloc| clon|”|disap",
    ),
    FeatureRule(
        1782,
        "Fires on the piece as without a space before it (ascii after a quote, asyncore, alias, slash, stashed, bias, as_file), on has inside names, on the word copy, and on the is of comparison.",
        r"(?<![ A-Za-z])as(?:cii|_|ync|\b)|isascii|alias|slash|stash|\bbias|[Mm]eas(?:ur|$)|\n +as\b|(?<!\S )(?<![A-Za-z])has(?=[A-Z_c])| copy(?![a-z])|comparis|ignorable|canvas",
    ),
    FeatureRule(
        1784,
        "Fires on a single t or m starting a word without a space (after a dot, quote, underscore, slash or indentation): tell, timer, tls, tar, tcl, tb, mtime, a variable t or m, also ins of inspect.",
        r"(?:[^\w\s']|_|(?<!\w)'|\n *|\bT)(?:t(?:wo|ell|cl|ls|b|imer|iming|d\b|ar\b|arfile|ix|k\b|kinter|odo|urtle|utor|hen\b|mp|ip|p\b|k/|akefocus|\b)|m(?:\b|time|cls|ixin|svc|svcrt)|inspect\b|yview|yscroll|ms\b|LOAD_)|tooltip|spawning_popen",
    ),
    FeatureRule(
        1791,
        "Fires on end without a space (calendar, descend, _end), on em of Item, stem and membership, on arch in archive and hierarchy, on search after a dot or underscore, and on strong and visible.",
        r"Item|[Cc]alend|(?<![A-Za-z ])end(?!swith|oftext)|\n +end(?!swith)|\b[Ss]tem\b|[Mm]embership|[Dd]escend|Render| append\b|[a-z]append\b|(?<! )search|(?<! )archiv|ierarch|[<'/]strong|\bvisib|<em>|\.eml|\btem\(",
    ),
    FeatureRule(
        1850,
        "Fires weakly on the last piece of many split words, as in traceback, weekday, distribution, insertion, POP3, pax, gettext, description, temp, pid, month, email or permissions.",
        r"[A-Z]OP(?:\b|[_0-9])|ution\b|\b[Pp]ax|[Ww]eekday|daylight|tribut(?:ion|ed|or)|insertion|[Tt]raceback|[Dd]escription|\b[Tt]emp|mktemp|mkstemp|gettext|permission|destination|_pid\b|email|Gmail|ATE\b|ATE_|deadlock|nteraction|runtime|timezone|flush|[Nn]etwork|self\.month| months?\b|monoton|[Ss]tartup|spawning|horizont|denomin|[Ff]utures?\b|oroutine|overridden|ContentHandler|didn't",
    ),
    FeatureRule(
        1860,
        "Fires on the iler ending of compiler, profiler, trailer and boilerplate.",
        r"iler",
    ),
    FeatureRule(
        1872,
        "Fires on a slash after a space or opening quote (paths, division), on a quote then a dot (string methods, file extensions), on stat, on the dire of directories and direction, on job, and on one of.",
        r" /|[(\\x22']/|(?<![ A-Za-z])stat(?![eius])|(?:[^\s(\[,]|\n +)'\.(?!')|[^\s(\[,]\\x22\.(?!\\x22)| \\x22\.\w| dire(?:ctories|ction|t)|(?<![A-Za-z])job|\bone of\b|launch",
    ),
    FeatureRule(
        1909,
        "Fires on a colon that stands apart: after a space or indentation as in :param, :class: and aligned tables, or alone inside quotes, brackets or braces.",
        r"\s:(?!:)|\[ :|(?:^|[^\w'\\x22)\]%}!=>])['\\x22]:(?!/)|[\s=]'\(':|[\x60{<]:(?!:)|--:",
    ),
    FeatureRule(
        1985,
        "Fires on indented or quoted break, on the ek of week, igh of high and highlight, gin of begin, but of button, coro of coroutine, low, ht of caught, and the word Time.",
        r"\n +break\b|['\\x22]break|[Ww]eek|High|\bhigh|_high| coro| cor_|[Bb]egin|neginf|midnight|neighb|[Cc]aught|righthand|\b[Ss]igh\b|(?<![A-Za-z])Time(?!out)|Radiobut|Checkbut|\.button| Methods|\bslow|\blow\b",
    ),
    FeatureRule(
        2032,
        "Fires on prose words such as given, write, created, access, mapping, containing, include, map, remove, convert, address, dictionary, corresponding, info and cache after a space.",
        r" (?:given|write(?!r|line|_)|created|access|mapping|containing|include(?!_)|map\b|remove|convert(?!er)|corresponding|written|dictionary|info\b|cache\b|define\b|sequence s\b|select(?:ed)? )|IP address|an address",
    ),
)
