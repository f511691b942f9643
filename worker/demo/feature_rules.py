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
        10,
        "Word beginnings ' le' (less, leading, lexical), 'le' ending idle or turtle, '://' in addresses, and words such as happen, exist, attempt, obtain, queue, lo, pretty.",
        r" le(?!n|ft\b|vel)|://| happ| lo\b| locale| exist(?:s|ing|ed)?\b| attemp|\b[Oo]btain| que|\bQ|idle|turtle|[Pp]retty|behaviou|L[e]ave",
    ),
    FeatureRule(
        69,
        "The word 'for', in prose or starting a loop or comprehension, also inside names such as fork or force, and 'allows'.",
        r"\b[Ff]or(?:\b|_)|_for(?:\b|_|k)|\bfor(?:ce|k|bid|ever)| allows|[Pp]rodu",
    ),
    FeatureRule(
        106,
        "Operator symbols: a spaced minus or plus or dash, percent formatting, negative indices, and comparison or augmented operators.",
        r"\s-(?![->=])| \+ |%|\[-|#-|[<>]= | \+= | [<>] |['\"][-+]['\"]|DO|SE[A-Z]",
    ),
    FeatureRule(
        143,
        "The pieces 'read', 'in' and 'as' inside words and names (readline, stdin, inner, builtin, ascii, slashes), with super, copy and write calls.",
        r"(?<![Tt]h)(?<!sp)read(?!y|th)|stdin|[Mm]ixin|built-?in|machine|[Ee]xamin|onstrain|\binner|\binf\b|(?<=[^\w\s])in\b|\n *in\b|_in(?:\b|ner|_)|[Bb]innum|slash|whereas|anvas|ascii|_as\b|as_|super\(| copy\b|\.write\(|\n +with |\bns[A-Z_]",
    ),
    FeatureRule(
        148,
        "The letters DE, MP or Q in upper-case names, Queue, and the letter q in names such as qname or fqdn.",
        r"DE(?!F|L)|MP|Q|\bq\b|_q|fqdn|qname|\bPy[A-Z]",
    ),
    FeatureRule(
        181,
        "The pieces 'res', 'ress' and 'ression' in words such as compressed, suppressed, underscores, expression, with comparison, extract, signal, delay, struct, counter and reading.",
        r"(?:omp|upp|xp|rog)ress|ression|[A-Z]\w*ddress|omparis|ompares?\b|cores\b|\bextra[a-z_]|\bsign(?:al|s)|delay|ecurs|ecogn|charset| struct\b|ounter|(?:read|sort|schedul|compar)ing\b|\bres\b|resolved|unclosed|ertain|undeco",
    ),
    FeatureRule(
        199,
        "The equals sign of keyword arguments and default values written without spaces, and the quote plus colon after a dictionary key.",
        r"\w=[^=\s>]|\w['\"]: ?\S|\w['\"]:\n|hasattr| -= ",
    ),
    FeatureRule(
        243,
        "Names of errors and exceptions (KeyError, except, exc, errors, Warning) and the encoding, errors and print words near them.",
        r"Error|\bencoding=|(?<=\s)encoding|errors?\b|xception|\bexc\b|exc_|Warning| warnings|\bprint|\bmessage'|\braise[ds]?\b",
    ),
    FeatureRule(274, "The word 'self' in methods, and likewise 'cls'.", r"\bself\b| cls\b|\bRead(?:er)?\b|BufferedRe"),
    FeatureRule(
        430,
        "Endings of words split into pieces, such as drive, archive, letter, button, box, header, numeric, traceback, loader, padx.",
        r"[a-z]{2}(?:ive|erve|rive|eive)\b|archiv|letter|latter|filter|[Bb]utton|box|umer|pad|ack\b|lock|pickl|exec|code\b|split|quee|Question|[Mm]erge|single|load|gnor|eader|\btag|_?tag\b|verrid|elper|tarinfo|visib|separat|larg|omplet|[Pp]aren|dvanc|ance\b|nterrupt|losure|coro|[a-z]{3}(?:ical|ility|able|ific)|inher|util|compil|duplex|indent|trac|opposit|[Pp]aragraph|dir\b|oint|ialog|idget|ystem|ength|raph",
    ),
    FeatureRule(
        448,
        "Percent signs of string formatting, both the placeholder such as %s inside a string and the operator after it, and print.",
        r"%|\bprint",
    ),
    FeatureRule(
        484,
        "The line break with twelve spaces after a call's closing bracket when another statement follows, and include_dirs or text after '>'.",
        r"\w['\"]?\)\)?\n {12}(?=[a-z_#])|\w\)\n {8}(?=[a-z_]+ = |except|assert)|include[_/]|>['\"]?\n +|>\.|<version>",
    ),
    FeatureRule(
        499,
        "The loop variable i, slices starting [: or [-, comparisons after a closing bracket such as len(x) ==, integer words, and AS or PE in upper-case names.",
        r" i\b|AS|PE|\[-|\[:|\) (?:[=!]=|>=?|<=?) |\binteg|\bInt[A-Z]| >=? ",
    ),
    FeatureRule(
        523,
        "Interactive '>>>' examples, spaces before a trailing comment, and the words class, yield, async, language and numbers.",
        r">>>|\basync|anguage|yield|\S {3,}#|[^\s\"'] {6,}\S| class\b|\"\),|numbers|\bExamples?\b",
    ),
    FeatureRule(
        546,
        "Double backquotes in documentation text, and quotes opening a name after 'The' or after self._w.",
        r"``|\b[Tt]he ['\"]|_dbg|[_]code\b|\bdb\b|self\._w, '|the `|_unbind|self\.tk = ",
    ),
    FeatureRule(
        548,
        "The letter p as a name or starting a word piece (press, put, padx, pickle), frame, op, gen, and 'im' in timer, similar, optimize.",
        r"\b_?p(?=[ =.,)\[]|ress|ay\b|ut\b|ure\b|refer|ad[xy]|reserv|ickl|ush|op\b|at\b)|unpick|[Ff]rame|\b[Tt]im(?:er|ing)|Similar|immed|ptimiz|\b_?op\b|_op\b|opener|\bgen\b|fifo",
    ),
    FeatureRule(
        560,
        "Code and text about files, paths and directories: os.path calls, file names, imports, and the punctuation around them.",
        r"path|[Ff]ile|dir(?:s|name)?\b|irector|\bos\.|\bimport\b|\broot\b|\.py\b|exists|package|module|\.txt|font|\[\]\n|= None\n|open\(",
    ),
    FeatureRule(
        610,
        "The statements raise, yield, continue or a guarded return inside a block, '>>>' prompts, isinstance checks, and identifiers starting with 'cal' such as calcsize, calendar or self.called.",
        r"\n +raise\b|>>>|\n +(?:yield|continue)\b|isinstance\(\w+, *[\w.]+\)|(?:[._\[(]|\n +)(?:called|callee|calc|calend|cal\.)|Recalc|[_.]called|if [^\n]*:\n {8,}return\b|\n +return\n",
    ),
    FeatureRule(
        671,
        "The word 'to', or the piece 'to' inside words like into, too, together, getopt and mailto, and sometimes should or must before a verb.",
        r"(?<![a-zA-Z])to(?![a-zA-Z])|readinto|mailto|[gG]etopt|Macinto|\btoo\b|[tT]ogether|\bshould\b|\bmust\b|n't (?:lose|write)|could not",
    ),
    FeatureRule(
        691,
        "Pieces such as 'time', 'info', 'debug', 'date' inside identifiers (mtime, datetime, exc_info, tarinfo), the name exc, and the words deprecation, numeric, wrong.",
        r"(?:[._(\"'\[]|\bm|\bc|date|[rR]un|st[rp]|as|\n)time|(?:[._(\"'\[]|tar|z|sys|tz|tt|\n +)info|(?<! )debug| exc\b|exc_|[Dd]eprecation|[nN]umer|\b[wW]ron|\bfront|\bdetermin|[._(\"'\[]date|_instance|(?:[._(]|date)zone|transform_",
    ),
    FeatureRule(
        817,
        "The letter w as its own piece (_w, 'w', .winfo, mswindows, wakeup), 'link' or 'q' inside identifiers, and fragments such as Benjamin, Java, Mixin, stdin, filterfunc, rename.",
        r"[^ \na-zA-Z0-9]w(?![a-z])|[._]w(?:info|akeup|lock|riter|in|m_)|mswin|[Ss]hockwave|[Hh]ard-?w|answer|(?<![ a-zA-Z])link|(?:sym|un|hard|is|read)link|(?<![a-zA-Z])q(?![a-zA-Z])|[sS]eq(?![a-z])|[bB]enjam|\bJava|Mixin|stdin|[^ a-zA-Z]wins|[tT]ixlib|ing-rel|[a-z]func\b|\bopcode|(?<![a-z])ename|typename|pkg|lex\b|GetoptEr|FancyGetopt|rename|codename|\bsslobj|_sslobj|seps\b|FixEx|Netloc|SpecialFile|Macinto",
    ),
    FeatureRule(
        821,
        "Word endings and words such as compatibility, consists, consisting, desired, completions, author, browser, cryptographic, differences, information, behavior and some.",
        r"ibility|\bconsist|\bdesired|ograph|\b[aA]uthor\b|\blots of|\breasons\b|\blevels\b|[Cc]ompletions|[bB]rowser|\bplaces\b|\bcategory|\binformation\b|\bbehaviou?r|\bsome\b|(?:differ|refer|occurr|sequ)ences|\bparts\b|\bchunks\b|\bsts\b|performance|_cte_enc|negotiat",
    ),
    FeatureRule(
        905,
        "The piece 'mark' (marked, marker, markup) and fragments such as stick, pickle, trick, suffix, parsing, symbol, dialog, lookup, truncate, untagged.",
        r"(?<![a-z])[mM]ark(?!\b)|mark\b|[st]ick|[pP]ick|trick|[Cc]lick|[sS]uffix|[sS]tuff|(?:par|clo|rai|increa|mis|expo|brow)sing|[sS]ymb|assemb|embed|[aA]mbig|\bmsb|\bprog\b|[bB]inding|_attrs=|, attrs=|\bsyms\b|combin|[dD]ialog|catalog|(?<! )look|trunc|\bunt(?:ag|yp|rus)| ins(?:pect|ens|ec|ist)|\bSE[A-Z]|_SE|CLOSE|[Cc]hanging|containers|scalars|Argument[A-Z]|ApplyRes|\bbpo-|characters:",
    ),
    FeatureRule(
        923,
        "The letter T or t as a word start or a piece of capitals (Tk, Tcl, TLS, Task, tkinter, SHORT, SET), sentence-ending triple quotes, and pieces like types, LOAD, ttk, direction.",
        r"\w\.\"\"\"|(?<![A-Za-z])T(?!h[eiaro]|rue|ype|o\b|est|ry|ODO|E|A)[A-Za-z]|[A-MO-Z]T(?![A-Za-z])|NO_?T\b|[ESM]MTP|SLOT|CONTROL|(?<![A-Za-z])t(?:k|ar|cl|ip|tk|f)?(?![a-z])|\btk|tkinter|\bttk|snippet|namedtuple|getpeer|LOAD|\bLO|\bturn\b|\btypes\b|[iI]nstruction|[dD]irection|closed? or \w+ SSL",
    ),
    FeatureRule(
        954,
        "The pieces release, please, open, format, does, strip, status, system, certificate, acquire, question, and long runs of dashes in table borders.",
        r"[rR]elease|[pP]lease|(?<![A-Za-z])open\b|taropen|\bformat(?:s|ted|ting)?\b|_format|\bdoes\b|strip\b|-{3}\+|[._]version\b|[sS]tatus|[sS]ystem|Implements|question|ertificate|acquire|badfile",
    ),
    FeatureRule(
        1048,
        "Closing brackets in unusual spots: def name(self): lines, numbers followed by a closing parenthesis at line end, regular expression groups, plus all-caps fragments such as ASYNC_GEN, and the words custom and they.",
        r"\(self\):|[ (\[]\d+\)+\n|\(self\)\n|\(\.\.\.\)|\w\|\w\)|\)[?$*+]|\]\)?[?+*]|YIELD|ASYNC|ABAN|SCREEN|STRICT| custom\b| they\b|_ob\)|__init__\(self\)|\(optional\)|\(mandatory\)|__closed|RFC \d{4}|\(IPv|%\w-%|'-'\+|i-len",
    ),
    FeatureRule(
        1111,
        "A hash that opens a comment (first line of the comment, usually after a blank line) or a dash that begins a bullet or footnote heading, also statements that begin with an underscore.",
        r"(?:^|\n)(?! *#)[^\n]*\n *# ?\w|\n *-\d? ?\w|-\[ |^<\|endoftext\|>#|\n *# --|'-'|\n *_[a-z]\w* = re\.|\n *_winapi|\n#\n#|\n_[a-z]\w* = _|I/O",
    ),
    FeatureRule(
        1124,
        "The word can (or cancel), the pieces index, execut, end, process, edit, auto, entry, counter and writable.",
        r" can\b| cancell?|\bcannot|[iI]ndex|execut| end\b| process\b|(?<![a-z])edit| auto|\bauto_| entry\b|writable|[cC]ounter|non-?block|stripdir",
    ),
    FeatureRule(
        1126,
        "A capital letter D split from the rest of its word (Depending, Don't, Distutils, Dialog, Dir, Dup, Down), similarly New, Field, Supported, Must, Without.",
        r"(?<![A-Za-z])D(?!ata|efault|eprec|ict\b|ebug|ate)[a-z]{2}|_D(?:ir|up|ial|oc|ist|own|rop)|[a-z]D(?!ata|efault|ict|ate)[a-z]{2}|\bD(?:ST|OS|UP|IR)|\bCon(?:vert|struct|sole|trol|nect)|\bN(?!one|ot|o\b|ame|od)[a-z]{2}|\bNew|\bNNTP|\bSame\b|\bMust\b|\bAlways\b|\bWithout\b|Supported|\"Cannot|Field|FIXM[E]|\bSpecif|\bUpdates\b|\bShould\b|\bNB\b",
    ),
    FeatureRule(
        1249,
        "The asterisk closing an emphasised name such as *sub* or *not*, a double underscore after a space (def __init__), and a quote closing a quoted name in prose.",
        r"(?<!\*)\*\w+\*(?!\*)| __\w|[\w/:]' (?!else|if|%)[a-z]+\b|\w'\n +return|\*\*\*\"|'\"|:' found|/' in|argvar| locale|isbuiltin|__dict__\[|\blarger|\w\"\n\n",
    ),
    FeatureRule(
        1261,
        "Programming nouns wait, waiting, pass as a statement, callback, future, loop, hash, queue, func, wrapper, worker, thread and arguments.",
        r"[wW]ait|\n +pass\b|\bpass_|_pass|(?<![a-z])func(?![a-z])|c_func|[fF]uture| hash\b|[cC]allback| loop\b|[wW]rapper|[qQ]ueue|\barguments\b|\bworker|(?<![a-z])thread|happen|holding|\balias|errno|\*\(\)|sort\(\)|\bpassed\b",
    ),
    FeatureRule(
        1293,
        "The opening parenthesis after the name of a function or method being defined with def.",
        r"(?<!async )def (?!__\w+__\()\w+\(|def __(?:init|ge|le|gt|lt)__\(self, \w+",
    ),
    FeatureRule(
        1319,
        "Words naming program parts: function, module, object, method, argument, future, feature, library, operation, implementation, exception.",
        r"[fF]unction|\b[mM]odules?\b|_module|module_|module\b|(?<! )object\b| method\b|__future__|\bfeature|\blibrary\b|#.*\bobjects?\b|_arguments\(|\"Exception ignored|\bargument\b|\barguments\b|I/O operation|\bimplementation\b|\bexception\b|\bobjects\b|onerror|another thread|Another thread|_operator|the class ",
    ),
    FeatureRule(
        1333,
        "Short word beginnings cut off from the rest: pri (priority, prior, primary), cor (coroutine), qu (quote), st (stderr, stick), R (RawValue), cl, tri, ter, ad, Com, Ser.",
        r"\b[pP]ri(?:or|m)|[cC]oro| qu[aeio]|qualif|equal(?:ly)|\b_?[aA]djust| st(?:derr|din|dout|ick|s|y|ar[tv]e)?\b|\bst =| R(?:aw|un\w|FC|LIMIT|\b)|\bCommands?\b|\bSer(?:vice|ial)| tri(?:es|gger|m|ck|v)|\bterm(?:s|in)| fin(?:ish|al)|Description|\bradio|\bTcl|[cr]icle|cycle|\bUser|[bB]rowser\b|\bserial|service|[_.(\"']quo|unquo|quopri|square|consequ|equival|sequences|\bstyle|\bstatic| stable|[dD]eprecat|author|istitle|StackSum|\betb\b| i(?:\b(?= in)|map)| cl(?:ean|one|ock|ip|aim|ass_)",
    ),
    FeatureRule(
        1399,
        "Fires on the subject pronouns 'we' and 'they' in comments and documentation, also on 'not' after 'do' or 'does' and on words such as 'foreground' or 'instead'.",
        r"\b[Ww]e\b|\b[Tt]hey\b|\b(?:[Dd]o|does|did) not\b|\bfore(?!ach)|\bso that\b|\binstead\b|total_seconds",
    ),
    FeatureRule(
        1418,
        "Fires on a blank line (two newlines in a row) after which text resumes at or near the left margin, as after headings, paragraphs and top-level code.",
        r"(?<!\n)\n\n {0,3}(?=\S)|[*=#-]{6}\n+\S",
    ),
    FeatureRule(
        1438,
        "Fires inside split upper-case words such as SET, SELECT, CONT, EXT or INT, and on 'true' in store_true, 'com' in github.com and similar word endings.",
        r"SE[TL]|CON[TN]|[A-Z]INT|IN[SU]|PRINT|RET|EXT|OFFSET|CEPT|BEGINN|SMTP|NEGATE|store_true|github\.com|BASE_|PYTHON|TZPATH|literals|frozenset|[^ ]enumerate",
    ),
    FeatureRule(
        1564,
        "Fires on ' conf' in confuse, conflict or confirm, on ' ca' in cached or ca_cert, and inside verbose, weakref, __doc__, QUOPRI, ResourceWarning and the string '/'.",
        r"\bconf(?:us|lict|irm)| ca(?:ch|_|fi)|verbose|weakref|[A-Z_]OP(?!EN|T|Y)|COPY|ResourceWarning|__doc__|__contains__|__future__|\(\"/|initargs|= os\.(?!path)|\band os\.|asksave|\bsave\b| test_|\betc\b|determine|expanduser",
    ),
    FeatureRule(
        1639,
        "Fires on the underscore after 'set' or 'all' in identifiers such as set_name, keyset_source or all_defects.",
        r"set_(?=[a-z])|(?<![A-Za-z])all_(?=[a-z])|apply_|initialize_|pending_work|_get_(?:data|size)|translate_key",
    ),
    FeatureRule(
        1652,
        "Fires on nearly every full stop, both attribute dots (also '._') and sentence ends, so almost any text with a dot between or after words.",
        r"[\w)\]>`*]\.(?![\d.]|__)|[\'\"]\.[a-z]|\.\"\"\"|\{!r\}",
    ),
    FeatureRule(
        1783,
        "Fires on ' range' in for loops, on the words 'results' and 'items', and inside enumerate, sorted, reversed, compression and truncate.",
        r"\brange\b|\bresults\b| items\b|enumerate\(|\bsorted\(|reversed\(|truncat|initiate|separate\b|surrogateescape|compression\b|expression\b|rindex|for \w+ in (?:list|infile)\b|undefined",
    ),
    FeatureRule(
        1785,
        "Fires on line breaks with unusual indentation (two, six, ten or fourteen spaces), backslash line continuations, and the indented docstring of a top-level function.",
        r"\n {2}(?=\S)|\n {6}(?=\S)|\n {10}(?=\S)|\n {14}(?=\S)|\S \\\n| \{'|\"\),\n|\):\n    r?\"\"\"|\n    '\\u|\+\n\|",
    ),
    FeatureRule(
        1792,
        "Fires on the triple quote that opens a docstring after a def or class line, on 'import' at the start of a line, and on 'print' at the start of a statement.",
        r"(?:\n|\|>) *(?:import |print\()|:\n+ *r?(?:\"\"\"|''')|__import__",
    ),
    FeatureRule(
        1851,
        "Fires on runs of extra spaces inside a line, such as indented text after a comment sign, spaces before a trailing comment or aligned columns, and on an odd continuation indent.",
        r"# {3,}\S|#\n *# |\S {3,9}(?=\S)|\n {22}(?=\S)|\n {26}(?=\S)|\n {30}(?=\S)|\[:\]|# \d",
    ),
    FeatureRule(
        1861,
        "Fires on the dots inside web addresses, and on the dot after module names such as io, xml, tkinter, python or turtle.",
        r"https?://|io\.|\bpython\.|tkinter\.(?!_)|\btty\.|\bturtle\.|xml\.|struct\.error|\bcurrently\b|\b(?:hi|cb|i) = |\bSee also\b",
    ),
    FeatureRule(
        1873,
        "Fires on a capital C that begins a word after a space (as in C, CPython or Custom), and on the words 'which' and 'how', less often 'corresponding' or 'detect'.",
        r"\S +C(?!on|om|h|all|an|RE)|\bwhich\b|\bhow\b|\bcorresponding\b|\bdetect\b|CERTI",
    ),
    FeatureRule(
        1911,
        "Fires rarely, on the tail of split words such as windows, operators, square, compare, multiple, physical, expressions and EQUAL.",
        r"\bwindows\b|[a-z]windows|operators\b|\bsquare|\b[Cc]ompare|\b[Mm]ultiple\b|physical|\boperate|EQUAL|CHAL|\bmutable|expressions\b|separators\b|capabilit|DEVNULL|implementations\b|\bgrp\b|iterators\b|consisten|\bGNU|IPv6|\\r\\n",
    ),
    FeatureRule(
        1986,
        "Fires on line breaks with indentation of twelve or eight spaces, mostly after a colon that opens a nested block or an indented list in a docstring.",
        r"(?<!else):\n\n? {12}(?!self\.)\S|\(\):\n|\n\n {12}\S|[.:)]\n\n {8}[A-Za-z*]|\):\n {8}(?:if |for |while |with |try|return|\"\"\")|\.\n {8,12}\"\"\"|\n\n {6}\S|\)\n {12}(?:for|self|if)",
    ),
    FeatureRule(
        2032,
        "Fires on 'sign' (significant, signal, assign), 'given', 'created', 'specified', inside compress and press, and in upper-case pieces such as CH, UM and TION.",
        r"[Cc]ompress|[Pp]ress\b|[Pp]ressed|\bgiven\b|\bcreated\b|\bspecified\b| sign|[a-z]sign|[A-Z]?CH(?=[A-Z])|[A-Z]UM|TION| range\b|\bdeprecated|\bimplemented\b|\bsort(?:ed)? |\b[Ee]xecute\b|keep|\bpublic\b|\boriginal\b|accessed",
    ),
    FeatureRule(
        2046,
        "Fires on the word 'you' addressed to the reader, on 'users', and in explanatory prose on words such as 'whether', 'how' or 'usually'.",
        r"\b[Yy]ou\b|\busers\b|\bwhether\b| how\b| File\b|\blooking\b|\busually\b|\busable\b|TextFile|\bunknown\b|\bmaking\b| \((?:e\.g|without)|# This ",
    ),
)
