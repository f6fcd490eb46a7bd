"""GPT-2's and GPT-1's tokenizers once more, by their published descriptions and with none of Pumice's code, for compare-tokenizers.sh.

usage: tokenizer_reference.py gpt2|gpt1 FOLDER [--lines] < TEXT      ids, on one line for all of the text or for each line of it
       tokenizer_reference.py difficult [COUNT [SEED]]               lines that are hard to cut, the same ones for the same numbers

Needs the module `regex`, and for gpt1 `ftfy` 4.4. Slow and plain on purpose.
"""
import json
import random
import sys

import regex

# ---- byte-pair encoding: the earliest pair first, all its occurrences from the left ----


def merge(symbols, ranks):
    while len(symbols) > 1:
        best = min(zip(symbols, symbols[1:]), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined, i = [], 0
        while i < len(symbols):
            together = tuple(symbols[i : i + 2]) == best
            joined.append("".join(best) if together else symbols[i])
            i += 2 if together else 1
        symbols = joined
    return symbols


class Tokenizer:
    def __init__(self, vocab, merges):
        with open(vocab, encoding="utf-8") as file:
            self.ids = json.load(file)
        with open(merges, encoding="utf-8") as file:
            rows = [tuple(row.split(" ")) for row in file.read().split("\n")[1:] if row]
        self.ranks = {row: rank for rank, row in enumerate(rows)}
        self.known = {}

    def encode(self, text):
        out = []
        for piece in self.pieces(text):
            if piece not in self.known:
                self.known[piece] = [self.ids.get(s, 0) for s in merge(self.symbols(piece), self.ranks)]
            out += self.known[piece]
        return out


# ---- GPT-2 ----


class Gpt2(Tokenizer):
    pattern = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")

    def __init__(self, folder):
        super().__init__(folder + "/encoder.json", folder + "/vocab.bpe")
        self.spelling, spare = {}, 256
        for byte in range(256):
            if chr(byte).isprintable() and byte not in (0x20, 0xA0, 0xAD):
                self.spelling[byte] = chr(byte)
            else:
                self.spelling[byte], spare = chr(spare), spare + 1

    def pieces(self, text):
        return self.pattern.findall(text)

    def symbols(self, piece):
        return [self.spelling[byte] for byte in piece.encode("utf-8")]


# ---- GPT-1: ftfy, text_standardize, spaCy 2's word rules, lower case ----

def fix_text(text):
    import ftfy  # 4.4, as the original had it: pip install ftfy==4.4.3

    return ftfy.fix_text(text)


LOWER = r"(?:(?=\p{Latin})\p{Ll}|[ёа-яәөүҗңһα-ωάέίόώήύ]|(?=\p{Bengali}|\p{Hebrew}|\p{Arabic}|\p{Sinhala})\p{L})"
UPPER = r"(?:(?=\p{Latin})\p{Lu}|[ЁА-ЯӘӨҮҖҢҺΑ-ΩΆΈΊΌΏΉΎ]|(?=\p{Bengali}|\p{Hebrew}|\p{Arabic}|\p{Sinhala})\p{L})"
ALPHA = f"(?:{LOWER}|{UPPER})"
QUOTES = "'|''|\"|”|“|``|`|‘|´|‘‘|’’|‚|,|„|»|«|「|」|『|』|（|）|〔|〕|【|】|《|》|〈|〉"
PUNCT = r"…|,|:|;|!|\?|¿|؟|¡|\(|\)|\[|\]|\{|\}|<|>|_|\#|\*|&|。|？|！|，|、|；|：|～|·|।|،|؛|٪"
CURRENCY = r"\$|£|€|¥|฿|US\$|C\$|A\$|₽|﷼"
UNITS = "km|km²|km³|m|m²|m³|dm|dm²|dm³|cm|cm²|cm³|mm|mm²|mm³|ha|µm|nm|yd|in|ft|kg|g|mg|µg|t|lb|oz|kmh|mph|hPa|Pa|mbar|mb|MB|kb|KB|gb|GB|tb|TB|T|G|M|K|%"
PREFIX = regex.compile(rf"^(?:§|%|=|\+|{PUNCT}|\.\.+|{QUOTES}|{CURRENCY}|\p{{So}})")
SUFFIX = regex.compile(
    rf"(?:{PUNCT}|\.\.+|{QUOTES}|\p{{So}}|'s|'S|’s|’S|(?<=[0-9])(?:{CURRENCY})|(?<=[0-9])(?:{UNITS})|(?<=°[FfCcKk])\."
    rf"|(?<=[0-9%²\-\)\]+(?:|'\"”“`‘´‚,„»«「」『』（）〔〕【】《》〈〉]|{LOWER})\.|(?<={UPPER}{UPPER})\.)$"
)
INFIX = regex.compile(
    rf"\.\.+|\p{{So}}|(?<=[0-9])[+\-*^](?=[0-9-])|(?<={LOWER})\.(?={UPPER})|(?<={ALPHA}),(?={ALPHA})|(?<={ALPHA}|\")[:<>=/](?={ALPHA})"
)
HOST = regex.compile(r"^(?=\w)(?:\S+@)?[a-z0-9]+(?:\.[a-z0-9]+)*\.[a-z]{2,}\S*(?<=[\w/])$")


def special_words():
    words = {}

    def add(*parts):
        words["".join(parts)] = list(parts)

    def each(stems, endings):
        for stem in stems.split():
            for ending in endings.split():
                add(stem, *ending.split("|"))
                add(stem.title(), *ending.split("|"))

    each("i", "'m m 'm|a m|a")
    each("i you he she it we they who what when where why how there that", "'ll ll 'll|'ve ll|ve 'd d 'd|'ve d|ve")
    each("i you we they who what when where why how there that not could might must should would", "'ve ve")
    each("you we they who what when where why how there that", "'re re")
    each("he she it who what when where why how there that", "'s s")
    negated = "ca could do does did had may might must need ought sha should wo would"
    each(negated, "n't nt n't|'ve nt|ve")
    each("ai are is was were have has dare", "n't nt")
    each("can", "not"), each("gon", "na"), each("got", "ta"), each("let", "'s"), each("how", "'d|'y")
    add("y'", "all"), add("y", "all")
    for word in "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore".split():
        words.pop(word, None)
    for word in """' '' 's 'S 'd 're 'll 'em 'nuff 'cause 'Cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout ma'am Ma'am o'clock O'clock
            doin' Doin' goin' Goin' nothin' Nothin' nuthin' Nuthin' ol' Ol' somethin' Somethin' lovin' Lovin' havin' Havin'
            Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans. Ky.
            La. Mar. Mass. May. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep. Sept.
            Tenn. Va. Wash. Wis. a.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs.
            Mo. Mont. Mr. Mrs. Ms. p.m. Ph.D. Rep. Rev. Sen. St. vs. ä. ö. ü. <space> \\n \\t
            :' =| :1 :P :p :O :o :0 >:o :3 =3 :> :X :x :D =D 8D xD XD xDD XDD >.< >.> <.< ._. v.v V.V o.O O.o O.O o.o 0.0 o.0 0.o
            <3 <33 <333""".split():
        add(word)
    for letter in "abcdefghijklmnopqrstuvwxyz":
        add(letter + ".")
    for hour in range(1, 13):
        for half in ("am", "pm", "a.m.", "p.m."):
            add(str(hour), half)
    return words


SPECIAL = special_words()


def split_word(text):
    front, back = [], []
    while text and text not in SPECIAL and not HOST.match(text):
        before, behind = PREFIX.search(text), SUFFIX.search(text)
        before, behind = before.end() if before else 0, len(text) - behind.start() if behind else 0
        if not before and not behind:
            break
        if before and text[before:] in SPECIAL:
            front, text = front + [text[:before]], text[before:]
        elif behind and text[:-behind] in SPECIAL:
            back, text = [text[-behind:]] + back, text[:-behind]
        else:
            if before and before + behind > len(text):
                behind = 0
            front += [text[:before]] if before else []
            back = ([text[len(text) - behind :]] if behind else []) + back
            text = text[before : len(text) - behind]
    if text in SPECIAL:
        middle = SPECIAL[text]
    elif not text or HOST.match(text):
        middle = [text] if text else []
    else:
        middle, start = [], 0
        for found in INFIX.finditer(text):
            if found.start() > 0:
                middle += [part for part in (text[start : found.start()], found.group()) if part]
                start = found.end()
        middle += [text[start:]] if text[start:] else []
    return front + middle + back


class Gpt1(Tokenizer):
    def __init__(self, folder):
        super().__init__(folder + "/encoder_bpe_40000.json", folder + "/vocab_40000.bpe")

    def pieces(self, text):
        import re  # whose white space is the original's

        text = fix_text(text).replace("…", "...")
        for dash in "—–―":
            text = text.replace(dash, "-")
        text = text.replace("´", "'")
        # The original's pattern has no part for backslashes: there "\\+" stands in a string that is not raw.
        text = re.sub(r'(-+|~+|!+|"+|;+|\?+|\++|,+|\)+|\(+|/+|\*+|\[+|\]+|}+|{+|\|+|_+)', r" \1 ", text)
        text = re.sub(r"\s*\n\s*", " \n ", text)
        text = re.sub(r"[^\S\n]+", " ", text).strip()
        return [word.lower() for part in text.split(" ") if part for word in split_word(part)]

    def symbols(self, piece):
        return list(piece[:-1]) + [piece[-1] + "</w>"]


# ---- difficult text ----


def difficult(count=4000, seed=20180611):
    draw = random.Random(seed)
    pick = lambda choices: draw.choice(choices)
    words = """don't Won't I'M it's y'all 'tis rock'n'roll O'Brien's they'd've constructor toString __proto__ e.g. U.S.A. 3rd 10,000.5 $5 50% C++ .NET
        a.b end.Then www.example.com me@host.org 12:30pm 1/2 2^10 snake_case camelCase ALLCAPS naïve Straße ﬁne Ångström İstanbul ΣΊΣΥΦΟΣ
        ОДИН два ελληνικά שלום مرحبا नमस्ते ไทย 漢字 かな 한국어 ½ Ⅷ ٣ ५ ² x² H₂O 🏳️‍🌈 👩‍👩‍👧‍👦 👍🏽 🇩🇪 e\u0301 a\u0308\u0323 \u200b \ufeff ™ © … — “quoted”
        ''' ''s 's'T 'LL 'll'd '' ` ``""".split()
    spaces = [" ", " ", " ", "  ", "   ", "\t", "\u00a0", "\u2003", "\u3000", "\u200a", "\x0b", "\x0c", "\r", "\x1c", "\x1f", "\x85", "\u2028", "\u1680", "\u180e", ""]
    blocks = [(0x21, 0x7E), (0xA1, 0x17F), (0x300, 0x36F), (0x391, 0x3A1), (0x3A3, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x621, 0x63A), (0x905, 0x939),
              (0xE01, 0xE2E), (0x1E00, 0x1E99), (0x2010, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20B9), (0x2160, 0x2188), (0x2190, 0x23F3), (0x2600, 0x26FF), (0x3041, 0x3096),
              (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF01, 0xFF5E), (0x1D400, 0x1D454), (0x1F300, 0x1F320), (0x1F600, 0x1F640), (0x20000, 0x2A6D6), (0, 0x1F), (0xE000, 0xE010)]
    for _ in range(count):
        kind, parts = draw.randrange(4), []
        for _ in range(draw.randrange(1, 25)):
            if kind == 0 or kind == 3 and draw.randrange(2):
                parts.append(pick(words))
            else:
                low, high = pick(blocks)
                parts.append("".join(chr(draw.randint(low, high)) for _ in range(draw.randrange(1, 5))))
            parts.append(pick(spaces) * (1 if draw.randrange(8) else draw.randrange(1, 40)))
        if kind == 2:
            parts.append(pick("'.! a1中") * draw.randrange(1, 300))
        print("".join(parts).replace("\n", " "))


def main():
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if sys.argv[1] == "difficult":
        return difficult(*map(int, sys.argv[2:]))
    tokenizer = {"gpt2": Gpt2, "gpt1": Gpt1}[sys.argv[1]](sys.argv[2])
    text = sys.stdin.buffer.read().decode("utf-8")
    for one in text.removesuffix("\n").split("\n") if "--lines" in sys.argv else [text]:
        print(*tokenizer.encode(one))


main()
