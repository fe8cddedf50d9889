"""Writes ../tokens: tokenisers and what transformers and open_clip make of odd texts with them.

    python3 tokens.py             the committed fixtures, with small vocabularies
    python3 tokens.py --full DIR  the same comparison with CLIP's 49408 tokens and more texts, into DIR; then
                                  OBORO_TOKENS=DIR swift test -c release --filter TextTests

needs transformers, open_clip and ftfy; the committed files were written with transformers 5.24.0, tokenizers 0.23.3,
open-clip-torch 3.3.0, ftfy 6.3.1 and Python 3.11. The small merges file is the first lines of the one that open_clip
has (MIT License). It ends without a line break, of which open_clip would make an empty symbol.

A case is a JSON object: tokenizer, a path beside the file, and texts with the expected tokens [L].
"""

import argparse
import gzip
import json
import pathlib
import random
import unicodedata

import open_clip.tokenizer
from transformers import CLIPTokenizer

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tokens"
ORIGINAL = pathlib.Path(open_clip.tokenizer.default_bpe())

ODD = [
    "", " ", "\n\t ", "a", "!", "a photo of a cat", "A PHOTO of a Cat, isn't it?", "a  b\u00a0c\u2003d\u3000e\u200be",
    "don't DON'T don’t don‘t donʼt don`t don´t 'tis 'S 's's'd 've're'll'm x'sy ''s '''",
    "'ſ 'ſt", "it's they're we've I'm you'll he'd o'clock rock'n'roll d'Artagnan l'été",
    "😀", "👩‍👩‍👧‍👦 family", "👍🏽👍🏿", "🏴󠁧󠁢󠁷󠁬󠁳󠁿 🇩🇪🇯🇵", "❤️ ❤ ♥️", "a😀b 1😀2", "#️⃣ 1️⃣ ©️ ™️",
    "你好，世界", "吾輩は猫である。名前はまだ無い。", "カタカナ ｶﾀｶﾅ ﾊﾟ ＡＢＣ１２３！", "안녕하세요 세계", "안녕",
    "한글 각", "สวัสดีชาวโลก ที่นี่", "مرحبا بالعالم السَّلَامُ", "שלום עולם שָׁלוֹם", "नमस्ते दुनिया क्षि", "Ελληνικά ΟΔΟΣ Σ ΣΑΣ ὈΔΥΣΣΕΎΣ ΑΣ.",
    "Привет, мир! Ёлка", "İstanbul ISPARTA ıi", "Straße STRASSE ẞ ß", "é e\u0301 ê\u0323 e\u0323\u0302 q\u0307\u0323 q\u0323\u0307", "Å Å A\u030a",
    "ﬁ ﬂ ﬀ ﬃ ﬄ ﬅ ﬆ Ĳ ŉ Ǆ ǅ", "ﬁnd the oﬃce", "½ ¼ ² ³ ¹ ① Ⅷ ⅷ ٣ ४ 五 1234 3.14 1,000 2nd x2y 0x1F",
    "a\u0000b", "\u0000", "\u0001\u0002 a\u007fb \u0085c \u001cd \u001fe\u001b[31mred\u001b[0m", "\u0080\u0081\u0091\u0092\u0093\u0094\u0099",
    "a\u200db\u200cc\u2060d\ufeffe\u00adf\u200eg\u202eh", "a\u2028b\u2029c\r\nd\re", "zero\u200bwidth \u200b\u200c\u200d",
    "&amp; &lt;b&gt; &quot;x&quot; &#39; &#x27; &nbsp; &eacute; &EACUTE; &hellip;", "&amp;amp;lt; &notit; &not; &copy2024 &ampx",
    "a < b &amp; c", "&#0; &#128; &#150; &#xD800; &#x110000; &#1; &#99999999999999999999;", "& && &; &# &#; &#x; &#xZ; &unknown; &AMP &SZLIG; &NTILDE;",
    "&lt;tag&gt;\n&amp;\n<x>\n&amp;", "&CounterClockwiseContourIntegral; &acE; &NotEqualTilde; &fjlig;",
    "sÃ³ schÃ¶n cafÃ©", "âœ” No problems", "donâ€™t â€œquotedâ€\u009d", "donâ€™t â€œquotedâ€� xx", "voilÃ le travail Ã la mode", "Ã la", "l’humanitÃ©",
    "Ð¿ÑÐ¸Ð²ÐµÑ", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "РїСЂРёРІРµС‚", "à¤¨à¤®à¤¸à¥à¤¤à¥‡", "ì•ˆë…•", "ä½ å¥½", "ðŸ˜€", "Ã°Å¸Ëœâ‚¬", "doesnÃ¢â‚¬â„¢t", "√© caf√©", "‚Äútest‚Äù",
    "Г©tГ© donвЂ™t", "Î±Î²Î³", "Ù…Ø±Ø­Ø¨Ø§", "Ä…Ä‡Ä™", "í\u00a0½í¸\u0080", "A real Â© and Â®", "100 Â°C 5Â£", "\u00c2 \u00c3 \u00e2", "ãƒ†ã‚¹ãƒˆ", "a Ã\u00a0 b", "fÃ cil",
    "café naïve ½ × ² ÷ ±", "<|startoftext|>", "a<|endoftext|>b", "<|STARTOFTEXT|> x <|EndOfText|>", "<|endoftext|", "x<|endoftext|>!!", "!<|startoftext|>",
    "<start_of_text>", "a <end_of_text> b", "<END_OF_TEXT><start_of_text", "!", "!!", "hello!", "wow!!!1!", "a !b! c", "</w> a</w> <w>", "#version: 0.2",
    "snake_case __init__ _ a_b_1", "foo@bar.com https://example.org/?q=1&amp;x=2#frag", "C:\\path\\to\\file", "``` code ``` ~~~ ^^^ |||", "--- ... !?!? $$$ €5 £6 ¥7",
    "(a:1.2) [b|c] {d} <lora:x:0.5> \\(e\\)", "1girl, masterpiece, best quality, (((detailed)))", "ａｂｃ　ｄｅｆ", "\u1e9b\u0323 ſ K Å Ω", "\U0001d400\U0001d4d0 𝒥ohn ℋ", "\ufffd \ufffd\ufffd",
    "\u0378 \U000e0001 \ue000 \uf8ff", "ᾳ ᾼ Ǆ ŉ ΐ", "a\u0301\u0302\u0303\u0304\u0305", "\u0301start", "x\u0338= \u0344 \u0958 \u2126 \ufb1d", "\u16d67\u16d67 \U00016d67\U00016d67",
    "“curly” ‘quotes’ „low‟ ‚x‛ «guillemets» ‹y›", "œ œuvre Œ x œ.", "( ͡° ͜ʖ ͡°) ¯\\_(ツ)_/¯ ಠ_ಠ (╯°□°)╯︵ ┻━┻", "\u0f73 \u0f75 \u0340 \u0341 \u0343 \u0374 \u037e \u0387",
    "x" * 200, "ab" * 500, "the quick brown fox " * 40, "é" * 100, "😀" * 60, "1" * 90, "!?" * 80, "a " * 80, "한" * 120,
]

POOLS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCXYZ", "0123456789", " \t\n", "'’`´‘ʼ", ".,!?;:-_()[]{}<>|&#@/\\\"*+=~^%$", "éèüöñçàÅßøœ", "ÃÂâ€™œžŸÐÑØÙ©®°", "\u0301\u0308\u0323\u030a\u0327",
    "你好世界猫の写真", "안녕하세요각각", "สวัสดี", "مرحبا", "नमस्ते", "ΑΣσςΩά", "ПриветЁ", "😀👍🏽🇩🇪\u200d\ufe0f❤", "\u200b\u200c\u00ad\ufeff\u2060\u00a0\u3000", "½²Ⅷ①٣", "ﬁﬂĲǆ", "ＡＢｶﾊﾟ！",
    "\u0000\u0001\u001b\u007f\u0085\u0092\u001c",
]
PIECES = ["'s", "'re", "&amp;", "&eacute;", "&#39;", "<|endoftext|>", "<|startoftext|>", "<start_of_text>", "Ã©", "â€™", "don't", "photo", "the ", " of ", "ðŸ˜€", "Ã ", "вЂ", "ļ", "&lt;"]


def random_texts(count, seed=1):
    """Texts of characters from a few pools each."""
    random_ = random.Random(seed)
    texts = []
    for _ in range(count):
        pools = random_.sample(POOLS, random_.randint(1, 4)) + [POOLS[0]]
        parts = []
        for _ in range(random_.randint(1, 60)):
            kind = random_.random()
            if kind < 0.12:
                parts.append(random_.choice(PIECES))
            elif kind < 0.14:
                parts.append(chr(random_.choice([random_.randrange(0x20, 0x3000), random_.randrange(0x1F000, 0x1FA00)])))
            else:
                parts.append(random_.choice(random_.choice(pools)))
        texts.append("".join(parts))
    return texts


def mangled_texts(count, seed=2):
    """Texts that were decoded with the wrong character set, once or twice."""
    random_ = random.Random(seed)
    sources = ["déjà vu à la carte", "naïve café — “quoted” it’s", "Привет, мир", "Ελληνικά γράμματα", "مرحبا بالعالم", "你好，世界", "日本語のテキスト", "안녕하세요", "😀👍 emoji", "größer Straße", "façade à côté, Ça", "zażółć gęślą jaźń", "नमस्ते", "price €5 £6 ©2020 ™", "mañana ½ ° × ÷"]
    sets = ["latin-1", "sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253", "sloppy-windows-1254", "sloppy-windows-1257", "iso-8859-2", "macroman", "cp437"]
    texts = []
    while len(texts) < count:
        text = " ".join(random_.sample(sources, random_.randint(1, 2)))
        for _ in range(random_.choice([1, 1, 2])):
            text = text.encode("utf-8").decode(random_.choice(sets), errors="replace")
        change = random_.random()
        if change < 0.2:
            text = text.replace("\u00a0", " ")
        elif change < 0.3:
            text = "".join("\ufffd" if random_.random() < 0.05 else c for c in text)
        elif change < 0.5:
            text = text + " " + random_.choice(sources)
        texts.append(text)
    return texts


def scalar_texts():
    """Every character that Python 3.11 and Swift both know, and its canonical decomposition, 64 a text."""
    known = [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    texts = ["".join(f"{c}a" for c in known[i : i + 64]) for i in range(0, len(known), 64)]
    composed = [unicodedata.normalize("NFD", c) for c in known if unicodedata.normalize("NFD", c) != c]
    return texts + [" ".join(composed[i : i + 64]) for i in range(0, len(composed), 64)]


def symbols_of_bytes():
    return [*open_clip.tokenizer.bytes_to_unicode().values()]


def write_merges(path, count):
    lines = gzip.open(ORIGINAL).read().decode().split("\n")[: count + 1]
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return lines[1:]


def write_folder(path, merges, pad, specials, extra=()):
    path.mkdir(parents=True, exist_ok=True)
    bytes_ = symbols_of_bytes()
    symbols = bytes_ + [s + "</w>" for s in bytes_] + ["".join(m.split()) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    (path / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(symbols)}))
    (path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    config = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    config |= {name: specials(text) for name, text in NAMED.items()} | {"pad_token": pad} | dict(extra)
    (path / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    (path / "special_tokens_map.json").write_text(json.dumps({k: v for k, v in config.items() if k.endswith("_token")}, indent=2))


NAMED = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}


def added_token(text):
    """As the folders of Stable Diffusion have them."""
    return {"__type": "AddedToken", "content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def write_cases(folder, name, tokenizer, texts, encode):
    texts = list(dict.fromkeys(texts))
    cases = [{"text": text, "tokens": encode(text)} for text in texts]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (folder / f"{name}.cases.json").write_text(f'{{"tokenizer":"{tokenizer}","cases":[\n{lines}\n]}}\n')
    print(f"{name}: {len(cases)} texts")


def transformers_encode(path):
    tokenizer = CLIPTokenizer.from_pretrained(str(path))
    return lambda text: tokenizer(text, padding="max_length", truncation=True).input_ids


def write_all(folder, merge_count, texts, suffix):
    folder.mkdir(parents=True, exist_ok=True)
    merges_file = f"merges.txt{suffix}"
    merges = write_merges(folder / merges_file, merge_count)
    write_folder(folder / "sd1", merges, "<|endoftext|>", added_token)
    write_folder(folder / "sd2", merges, "!", added_token)
    words = {str(len(merges) + 514 + i): {"content": c, "lstrip": False, "normalized": n, "rstrip": False, "single_word": w, "special": False} for i, (c, n, w) in enumerate([("<cat-toy>", True, False), ("Quick", False, True)])}
    named = {str(len(merges) + 512 + i): {"content": c, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True} for i, c in enumerate(["<|startoftext|>", "<|endoftext|>"])}
    write_folder(folder / "inverted", merges, "<|endoftext|>", lambda text: text, {"added_tokens_decoder": named | words})
    CLIPTokenizer.from_pretrained(str(folder / "sd2")).save_pretrained(str(folder / "single"))
    for name in ("sd1", "sd2", "inverted", "single"):
        more = ["a <cat-toy> <CAT-toy>", "Quick quick Quickly unQuick (Quick)"] if name == "inverted" else []
        write_cases(folder, name, name, texts + more, transformers_encode(folder / name))
    # open_clip reads compressed files only.
    packed = folder / "packed.gz"
    packed.write_bytes(gzip.compress((folder / merges_file).read_bytes()) if not suffix else (folder / merges_file).read_bytes())
    original = open_clip.tokenizer.SimpleTokenizer(bpe_path=str(packed))
    packed.unlink()
    write_cases(folder, "original", merges_file, texts, lambda text: original(text)[0].tolist())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", type=pathlib.Path)
    full = parser.parse_args().full
    if full:
        long = ["".join(random_texts(400, seed))[:10_000] for seed in range(5)]
        texts = ODD + random_texts(3000) + mangled_texts(1500) + long + scalar_texts()
        write_all(full, 48894, texts, ".gz")
    else:
        write_all(FOLDER, 600, ODD + random_texts(40) + mangled_texts(40), "")
