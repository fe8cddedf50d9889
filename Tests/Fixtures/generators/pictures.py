"""Pictures of each format that is read, in the forms of the formats' conformance sets (PngSuite, bmpsuite, libtiff's), and
what they show. Writes ../pictures: the files, and golden.json, which says of each file what it shows: `pixels` is a place in
the list of that name, base64 of [height, width, 3]. Needs jpegtran.

Written and read by Pillow (13.0.0) where Pillow can; the rest is written by hand from known pixels. Golden pixels are
Pillow's, after ImageOps.exif_transpose, over white; where Pillow reads a form otherwise or not at all, they are the known
ones. `limit` is the largest difference that is allowed; 0 unless a decoder's arithmetic is not specified to the bit.
"""
import base64, io, json, pathlib, struct, subprocess, zlib
import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin

OUT = pathlib.Path(__file__).parent.parent / "pictures"
OUT.mkdir(exist_ok=True)
golden, pixels = {}, []
W, H = 13, 7
y, x = np.mgrid[0:H, 0:W]
# All corners differ, and every sample of 16 bits.
RGB16 = np.stack([x * 4919 + y * 131, y * 9001 + x * 77, (x + y) * 3001 + 999], -1).astype(np.uint16)
RGB = (RGB16 >> 8).astype(np.uint8)
GREY16, GREY = RGB16[..., 0], RGB[..., 0]
ALPHA = ((x * 21 + y * 3) % 256).astype(np.uint8)
ALPHA[0, 0], ALPHA[0, 1] = 0, 255
ALPHA16 = ALPHA.astype(np.uint16) * 256 + 77


def rgb(a):
    a = np.asarray(a)
    return np.repeat(a[..., None], 3, -1) if a.ndim == 2 else a


def over_white(colour, alpha):
    c, a = rgb(colour).astype(int), alpha.astype(int)[..., None]
    return ((c * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def pillow(data):
    with Image.open(io.BytesIO(data)) as im:
        im.load()
        im = ImageOps.exif_transpose(im)
        if im.mode in ("RGBA", "LA", "PA") or "transparency" in im.info:
            a = np.asarray(im.convert("RGBA"))
            return over_white(a[..., :3], a[..., 3])
        return np.asarray(im.convert("RGB"))


def add(name, data, expected=None, limit=0, check=True):
    """A file that shows `expected`, or what Pillow says; both, unless not to `check`."""
    if expected is None:
        expected = pillow(data)
    elif check:
        found = pillow(data).astype(int)
        assert found.shape == rgb(expected).shape and abs(found - rgb(expected)).max() <= max(limit, 1), name
    (OUT / name).write_bytes(data)
    e = rgb(expected)
    assert e.dtype == np.uint8, name
    text = base64.b64encode(e.tobytes()).decode()
    if text not in pixels:
        pixels.append(text)
    golden[name] = dict(height=e.shape[0], width=e.shape[1], limit=limit, pixels=pixels.index(text))


def refuse(name, data, reason):
    (OUT / name).write_bytes(data)
    golden[name] = dict(refused=reason)


def save(array, format, **options):
    file = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, format, **options)
    return file.getvalue()


def tiff(entries, order="<", big=False, data=b"", at=None):
    """A TIFF file of one directory: {tag: (type, values)}. `data` lies behind the header; its place is at value None."""
    sizes = {1: "B", 3: "H", 4: "I", 9: "i", 16: "Q", 5: "II"}
    word, head = ("Q", 16) if big else ("I", 8)
    start = head + len(data)
    start += start % 2
    count = len(entries)
    entry_size = 20 if big else 12
    extra = start + (8 if big else 2) + count * entry_size + (8 if big else 4)
    directory, tail = b"", b""
    for tag in sorted(entries):
        kind, values = entries[tag]
        values = [head if v is None else v for v in values]
        packed = struct.pack(order + sizes[kind][0] * len(values), *values)
        limit = 8 if big else 4
        if len(packed) > limit:
            place = extra + len(tail)
            tail += packed + b"\0" * (len(packed) % 2)
            packed = struct.pack(order + word, place)
        directory += struct.pack(order + "HH" + word, tag, kind, len(values)) + packed.ljust(limit, b"\0")
    mark = b"II" if order == "<" else b"MM"
    if big:
        header = mark + struct.pack(order + "HHHQ", 43, 8, 0, start)
        body = struct.pack(order + "Q", count) + directory + struct.pack(order + "Q", 0)
    else:
        header = mark + struct.pack(order + "HI", 42, start)
        body = struct.pack(order + "H", count) + directory + struct.pack(order + "I", 0)
    return header + data.ljust(start - head, b"\0") + body + tail


def exif(value, order="<", kind=3, count=1):
    return tiff({0x0112: (kind, [value] * count)}, order)


def turned(value):
    """RGB as it is stored, and as `value` says that it is shown."""
    method = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(value)
    image = Image.fromarray(RGB)
    return np.asarray(image.transpose(Image.Transpose(method)) if method is not None else image)


# --- PNG -------------------------------------------------------------------------------------------------------------
def chunk(name, content, checksum=None):
    value = zlib.crc32(name + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", value)


def packed_rows(samples, depth):
    """[h, w, c] of integers to PNG's rows, each with the filter 0."""
    h = samples.shape[0]
    if depth == 16:
        rows = samples.astype(">u2").reshape(h, -1).view(np.uint8)
    elif depth == 8:
        rows = samples.astype(np.uint8).reshape(h, -1)
    else:
        flat = samples.reshape(h, -1).astype(np.uint8)
        bits = np.unpackbits(flat[..., None], axis=-1)[..., 8 - depth:].reshape(h, -1)
        rows = np.packbits(bits, axis=-1)
    return b"".join(b"\0" + row.tobytes() for row in rows)


def png_data(samples, depth, interlaced):
    if not interlaced:
        return packed_rows(samples, depth)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[top::down, left::right] for top, left, down, right in passes]
    return b"".join(packed_rows(p, depth) for p in parts if p.size)


def png(samples, depth, kind, interlaced=False, before=b"", after=b"", pieces=1, raw=None, end=True, gap=b""):
    samples = samples[..., None] if samples.ndim == 2 else samples
    h, w = samples.shape[:2]
    data = zlib.compress(png_data(samples, depth, interlaced), 9) if raw is None else raw
    size = -(-len(data) // pieces)
    idat = b"".join(chunk(b"IDAT", data[i * size:(i + 1) * size]) + (chunk(b"IDAT", b"") if pieces > 1 else b"")
                    for i in range(pieces))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, interlaced))
            + before + idat + after + (chunk(b"IEND", b"") if end else b""))


for interlaced in (False, True):
    i = "i" if interlaced else "n"
    for depth in (1, 2, 4, 8, 16):
        levels = GREY16 >> (16 - depth)
        shown = (levels >> 8 if depth == 16 else levels * 255 // (2**depth - 1)).astype(np.uint8)
        add(f"grey-{depth}-{i}.png", png(levels, depth, 0, interlaced), shown, check=depth < 16)
        if depth <= 8:
            count = 2**depth
            table = np.stack([np.arange(count) * 37, np.arange(count) * 91 + 5, 255 - np.arange(count)], -1) % 256
            table = table.astype(np.uint8)
            indices = (x + 3 * y) % count
            plte = chunk(b"PLTE", table.tobytes())
            add(f"palette-{depth}-{i}.png", png(indices, depth, 3, interlaced, plte), table[indices])
    for depth in (8, 16):
        s = RGB if depth == 8 else RGB16
        g = GREY if depth == 8 else GREY16
        a = ALPHA if depth == 8 else ALPHA16
        add(f"rgb-{depth}-{i}.png", png(s, depth, 2, interlaced), RGB)
        add(f"rgba-{depth}-{i}.png", png(np.dstack([s, a]), depth, 6, interlaced), over_white(RGB, ALPHA))
        add(f"grey-alpha-{depth}-{i}.png", png(np.dstack([g, a]), depth, 4, interlaced), over_white(GREY, ALPHA))
only = lambda *values: chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))
mask = lambda hit: np.where(hit, 0, 255).astype(np.uint8)
add("grey-8-trns.png", png(GREY, 8, 0, before=only(int(GREY[3, 5]))), over_white(GREY, mask(GREY == GREY[3, 5])))
# Another pixel has the same upper 8 bits: it is opaque.
near = GREY16.copy()
near[0, 0] = near[3, 5] ^ 1
add("grey-16-trns.png", png(near, 16, 0, before=only(int(near[3, 5]))),
    over_white((near >> 8).astype(np.uint8), mask(near == near[3, 5])), check=False)
add("rgb-8-trns.png", png(RGB, 8, 2, before=only(*map(int, RGB[2, 2]))), over_white(RGB, mask((RGB == RGB[2, 2]).all(-1))))
add("rgb-16-trns.png", png(RGB16, 16, 2, before=only(*map(int, RGB16[2, 2]))),
    over_white(RGB, mask((RGB16 == RGB16[2, 2]).all(-1))), check=False)
table = np.array([[0, 0, 0], [250, 10, 20], [9, 90, 200], [128, 129, 130]], np.uint8)
indices, levels = (x + y) % 4, np.array([0, 100, 255, 255], np.uint8)
plte = chunk(b"PLTE", table.tobytes())
add("palette-2-trns.png", png(indices, 2, 3, before=plte + chunk(b"tRNS", bytes([0, 100]))),
    over_white(table[indices], levels[indices]))
add("gamma.png", png(RGB, 8, 2, before=chunk(b"gAMA", struct.pack(">I", 100000))), RGB)
add("gamma-16.png", png(RGB16, 16, 2, before=chunk(b"gAMA", struct.pack(">I", 100000))), RGB)
add("background.png", png(np.dstack([RGB, ALPHA]), 8, 6, before=chunk(b"bKGD", bytes(6))), over_white(RGB, ALPHA))
add("pieces.png", png(RGB, 8, 2, pieces=40), RGB)
add("bad-profile.png", png(RGB, 8, 2, before=chunk(b"iCCP", b"x\0\0none", 5)), RGB, check=False)
add("suggested-palette.png", png(RGB, 8, 2, before=chunk(b"PLTE", bytes(9)) + chunk(b"sPLT", b"x")), RGB)
add("animated.png", save(Image.fromarray(RGB), "PNG", save_all=True, append_images=[Image.fromarray(255 - RGB)]), RGB)
data = zlib.compress(png_data(RGB, 8, False))
refuse("bad-data-checksum.png", png(RGB, 8, 2).replace(b"IDAT", b"IDAT", 1)[:-20] + bytes(4) + png(RGB, 8, 2)[-16:], "damaged")
refuse("bad-zlib-checksum.png", png(RGB, 8, 2, raw=data[:-1] + bytes([data[-1] ^ 1])), "damaged")
refuse("short-data.png", png(RGB, 8, 2, raw=zlib.compress(png_data(RGB, 8, False)[:-1])), "damaged")
refuse("no-end.png", png(RGB, 8, 2, end=False), "ends before its last chunk")
refuse("no-data.png", png(RGB, 8, 2, raw=b"", pieces=1), "damaged")
refuse("no-palette.png", png(indices, 2, 3), "damaged")
refuse("bad-transparency.png", png(RGB, 8, 2, before=chunk(b"tRNS", bytes(6), 1)), "tRNS")
refuse("long-transparency.png", png(indices, 2, 3, before=plte + chunk(b"tRNS", bytes(5))), "tRNS")
for value in (2, 5, 6, 8):
    add(f"exif-{value}.png", png(RGB, 8, 2, before=chunk(b"eXIf", exif(value, ">"))), turned(value))
add("exif-behind.png", png(RGB, 8, 2, after=chunk(b"eXIf", exif(6))), turned(6))
add("exif-damaged.png", png(RGB, 8, 2, before=chunk(b"eXIf", exif(6), 7)), RGB, check=False)
block = b"Exif\0\0" + exif(7)
profile = b"\nexif\n%8d\n" % len(block) + b"\n".join(block.hex().encode()[i:i + 72] for i in range(0, 999, 72))
add("exif-text.png", png(RGB, 8, 2, before=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))), turned(7))
xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
itxt = lambda text, packed: chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"en\0x\0" + text)
add("xmp.png", png(RGB, 8, 2, before=itxt(xmp, 0)), turned(8))
add("xmp-packed.png", png(RGB, 8, 2, before=itxt(zlib.compress(xmp), 1)), turned(8))
add("exif-before-xmp.png", png(RGB, 8, 2, before=itxt(xmp, 0) + chunk(b"eXIf", exif(3))), turned(3))

# --- JPEG ------------------------------------------------------------------------------------------------------------
# Large enough for several blocks, and odd.
Y, X = np.mgrid[0:27, 0:37]
PHOTO = np.stack([40 + X * 5, 60 + Y * 6, 128 + 3 * (X - Y)], -1).astype(np.uint8)
plain = save(PHOTO, "JPEG", quality=90, subsampling=0)


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def behind_start(jpeg, inserted):
    return jpeg[:2] + inserted + jpeg[2:]


def at_marker(jpeg, marker, inserted):
    place = jpeg.rindex(bytes([0xFF, marker]))
    return jpeg[:place] + inserted + jpeg[place:]


def app1(block):
    return segment(0xE1, b"Exif\0\0" + block)


for sub in (0, 1, 2):
    add(f"sampled-{sub}.jpg", save(PHOTO, "JPEG", quality=85, subsampling=sub))
add("grey.jpg", save(PHOTO[..., 0], "JPEG"))
add("progressive.jpg", save(PHOTO, "JPEG", progressive=True))
add("rgb.jpg", save(PHOTO, "JPEG", keep_rgb=True))
restarts = save(PHOTO, "JPEG", restart_marker_blocks=1)
add("restarts.jpg", restarts)
for value in range(1, 9):
    add(f"exif-{value}.jpg", behind_start(plain, app1(exif(value, "<>"[value % 2]))))
add("exif-long.jpg", behind_start(plain, app1(exif(6, kind=4))))
add("exif-long-big.jpg", behind_start(plain, app1(exif(8, ">", kind=4))))
add("exif-before-frame.jpg", at_marker(plain, 0xDA, app1(exif(6))))
add("exif-two.jpg", behind_start(plain, app1(exif(6)) + app1(exif(3))))
upright = pillow(plain)
for name, block in {
    "byte": exif(6, kind=1), "two": exif(6, count=2), "nine": exif(9), "zero": exif(0), "none": b"", "short": exif(6)[:15],
    "beyond": b"II*\0" + struct.pack("<I", 0xFFFFFFF0), "loop": b"II*\0" + struct.pack("<IH", 8, 0xFFFF), "text": b"x" * 40,
}.items():
    add(f"exif-bad-{name}.jpg", behind_start(plain, app1(block)), upright, check=False)
add("xmp.jpg", behind_start(plain, segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp.replace(b"8", b"6"))))
add("bytes-before-table.jpg", at_marker(plain, 0xDB, b"\x00\x12\x34"))
add("bytes-before-scan.jpg", at_marker(plain, 0xDA, b"noise"), upright, check=False)
add("bytes-before-end.jpg", at_marker(plain, 0xD9, b"\0" * 40))
add("filled-markers.jpg", at_marker(plain, 0xDA, b"\xff" * 9))
add("behind-end.jpg", plain + plain)
add("jfif-3.jpg", plain.replace(b"JFIF\0\1", b"JFIF\0\3"))
add("no-jfif.jpg", plain[:2] + plain[20:])
cmyk = np.dstack([255 - PHOTO, (X + Y).astype(np.uint8)])
inks = save(Image.fromarray(cmyk, "CMYK"), "JPEG", quality=95)
place = inks.index(b"\xff\xee")
bare = inks[:place] + inks[place + 16:]
add("cmyk.jpg", inks)
add("cmyk-bare.jpg", bare)
add("ycck.jpg", inks.replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2"), limit=1)
add("adobe-unknown.jpg", behind_start(plain[:2] + plain[20:], segment(0xEE, b"Adobe\0\x64\0\0\0\0\x07")))
arithmetic = subprocess.run(["jpegtran", "-arithmetic"], input=plain, capture_output=True, check=True).stdout
add("arithmetic.jpg", arithmetic, upright, check=False)
refuse("cut.jpg", plain[:-60], "Premature end")
refuse("no-end.jpg", plain[:-2], "Premature end")
refuse("cut-progressive.jpg", save(PHOTO, "JPEG", progressive=True)[:-80], "Premature end")
scan = plain.index(b"\xff\xda") + 14
refuse("corrupt.jpg", plain[:scan + 40] + b"\xff\xd9" + plain[-2:], "Corrupt JPEG data")
refuse("missing-restart.jpg", restarts.replace(b"\xff\xd1", b"\xff\xd5", 1), "Corrupt JPEG data")
refuse("short-interval.jpg", restarts.replace(b"\xff\xd1", b"abcdefgh\xff\xd1", 1), "Corrupt JPEG data")
refuse("padded-too-much.jpg", at_marker(plain, 0xD9, b"\x11" * 5000), "Corrupt JPEG data")
frame = plain.index(b"\xff\xc0")
refuse("12-bits.jpg", plain[:frame + 4] + b"\x0c" + plain[frame + 5:], "precision 12")
refuse("lossless.jpg", plain.replace(b"\xff\xc0", b"\xff\xc3"), "SOF type 0xc3")

# --- WebP ------------------------------------------------------------------------------------------------------------
smooth = np.asarray(Image.fromarray(PHOTO))
add("lossless.webp", save(RGB, "WebP", lossless=True), RGB)
add("lossy.webp", save(smooth, "WebP", quality=80), limit=2)
alpha = Image.fromarray(np.dstack([RGB, ALPHA]))
add("alpha.webp", save(alpha, "WebP", lossless=True, exact=True), over_white(RGB, ALPHA))
for value in range(1, 9):
    add(f"exif-{value}.webp", save(RGB, "WebP", lossless=True, exif=exif(value, "<>"[value % 2])), turned(value))
add("exif-named.webp", save(RGB, "WebP", lossless=True, exif=b"Exif\0\0" + exif(6, kind=4)), turned(6))
add("xmp.webp", save(RGB, "WebP", lossless=True, xmp=xmp), turned(8))
add("animated.webp", save(Image.fromarray(RGB), "WebP", save_all=True, append_images=[Image.fromarray(255 - RGB)], lossless=True), RGB)
lossy = save(smooth, "WebP", quality=80)
refuse("cut.webp", lossy[:-20], "ends early")

# --- GIF -------------------------------------------------------------------------------------------------------------
paletted = Image.fromarray(RGB).quantize(60)
flat = np.asarray(paletted.convert("RGB"))
add("interlaced.gif", save(paletted, "GIF", interlace=1), flat)
add("plain.gif", save(paletted, "GIF", interlace=0), flat)
hole = int(np.asarray(paletted)[2, 3])
add("transparent.gif", save(paletted, "GIF", transparency=hole), over_white(flat, mask(np.asarray(paletted) == hole)))
add("animated.gif", save(paletted, "GIF", save_all=True, append_images=[paletted.transpose(0)]), flat)
small = bytearray(save(paletted, "GIF"))
small[6:10] = struct.pack("<HH", 20, 12)
frame = 13 + 3 * (2 << (small[10] & 7))
while small[frame] != 0x2C:
    frame += 1
small[frame + 1:frame + 5] = struct.pack("<HH", 4, 3)
screen = np.full((12, 20, 3), 255, np.uint8)
screen[3:3 + H, 4:4 + W] = flat
add("on-a-screen.gif", bytes(small), screen, check=False)
small[6:10] = bytes(4)
add("beyond-its-screen.gif", bytes(small), screen[:3 + H, :4 + W], check=False)
refuse("cut.gif", save(paletted, "GIF")[:-20], "ends early")


# --- BMP -------------------------------------------------------------------------------------------------------------
def bmp(rows, bits, table=b"", header=40, compression=0, masks=(), height=H, width=W, used=0, gap=0):
    """rows: the data as it lies in the file."""
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(rows), 2835, 2835, used, 0)
        info = info[:header]
    masks = b"".join(struct.pack("<I", m) for m in masks)
    if header > 40:
        info += masks.ljust(header - 40, b"\0")[:header - 40]
        masks = b""
    start = 14 + len(info) + len(masks) + len(table) + gap
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + masks + table + bytes(gap) + rows


def bmp_rows(values, bits, top_down=False):
    if bits < 8:
        flat = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., 8 - bits:].reshape(H, -1)
        rows = [r.tobytes() for r in np.packbits(flat, axis=-1)]
    else:
        rows = [r.astype("<u4").reshape(-1, 1).view(np.uint8)[:, :bits // 8].tobytes() for r in values]
    rows = [r + bytes(-len(r) % 4) for r in rows]
    return b"".join(rows if top_down else rows[::-1])


def fields(masks, colour, alpha=None):
    pixel = np.zeros((H, W), np.uint64)
    shown = []
    for m, c in zip(masks, [colour[..., 0], colour[..., 1], colour[..., 2], alpha]):
        if not m:
            continue
        shift = (m & -m).bit_length() - 1
        top = m >> shift
        v = c.astype(np.uint64) * top // 255
        pixel |= v << np.uint64(shift)
        shown.append((v * 255 // top).astype(np.uint8))
    c = np.dstack(shown[:3])
    return pixel, over_white(c, shown[3]) if len(shown) > 3 else c


for bits in (1, 2, 4, 8):
    count = 2**bits
    table = np.stack([np.arange(count) * 37, np.arange(count) * 91 + 5, 255 - np.arange(count)], -1).astype(np.uint8)
    indices = (x + 3 * y) % count
    quads = b"".join(bytes([*c[::-1], 0]) for c in table)
    triples = b"".join(bytes(c[::-1]) for c in table)
    add(f"palette-{bits}.bmp", bmp(bmp_rows(indices, bits), bits, quads), table[indices], check=bits != 2)
    if bits != 2:
        add(f"core-{bits}.bmp", bmp(bmp_rows(indices, bits), bits, triples, header=12), table[indices])
    add(f"top-down-{bits}.bmp", bmp(bmp_rows(indices, bits, True), bits, quads, height=-H), table[indices], check=bits != 2)
few = bmp(bmp_rows(indices, 8), 8, quads[:4 * 100], used=100)
add("few-colours.bmp", few, np.where((indices < 100)[..., None], table[indices], 0).astype(np.uint8))
add("gap.bmp", bmp(bmp_rows(indices, 8), 8, quads, gap=10), table[indices])
add("os2-16.bmp", bmp(bmp_rows(indices, 8), 8, quads, header=16), table[indices], check=False)
for header in (52, 56, 64, 108, 124):
    add(f"header-{header}.bmp", bmp(bmp_rows(indices, 8), 8, quads, header=header), table[indices], check=header in (64, 108, 124))
rgb555, rgb565 = (0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F)
p555, s555 = fields(rgb555, RGB)
p565, s565 = fields(rgb565, RGB)
add("16-bits.bmp", bmp(bmp_rows(p555, 16), 16), s555)
add("16-bits-top-down.bmp", bmp(bmp_rows(p555, 16, True), 16, height=-H), s555)
add("555.bmp", bmp(bmp_rows(p555, 16), 16, compression=3, masks=rgb555), s555)
add("565.bmp", bmp(bmp_rows(p565, 16), 16, compression=3, masks=rgb565), s565)
for header in (52, 56, 108, 124):
    add(f"565-header-{header}.bmp", bmp(bmp_rows(p565, 16), 16, header=header, compression=3, masks=rgb565), s565)
odd = (0xE000, 0x1E00, 0x00FF)
podd, sodd = fields(odd, RGB)
add("348.bmp", bmp(bmp_rows(podd, 16), 16, compression=3, masks=odd), sodd, check=False)
p4444, s4444 = fields((0xF00, 0xF0, 0xF, 0xF000), RGB, ALPHA)
add("4444.bmp", bmp(bmp_rows(p4444, 16), 16, header=124, compression=3, masks=(0xF00, 0xF0, 0xF, 0xF000)), s4444, check=False)
p24, _ = fields((0xFF0000, 0xFF00, 0xFF), RGB)
add("24-bits.bmp", bmp(bmp_rows(p24, 24), 24), RGB)
add("core-24.bmp", bmp(bmp_rows(p24, 24), 24, header=12), RGB)
add("32-bits.bmp", bmp(bmp_rows(p24, 32), 32), RGB)
p30, s30 = fields((0x3FF00000, 0xFFC00, 0x3FF), RGB)
add("101010.bmp", bmp(bmp_rows(p30, 32), 32, compression=3, masks=(0x3FF00000, 0xFFC00, 0x3FF)), s30, check=False)
argb = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
p32, s32 = fields(argb, RGB, ALPHA)
add("alpha.bmp", bmp(bmp_rows(p32, 32), 32, header=124, compression=3, masks=argb), s32)
add("alpha-fields.bmp", bmp(bmp_rows(p32, 32), 32, compression=6, masks=argb), s32, check=False)


def runs(values, bits):
    """Runs, absolute codes and, in the last row, a move over the pixels that are left."""
    out = b""
    for row in values[::-1]:
        v = list(map(int, row))
        if bits == 8:
            out += bytes([2, v[0], 0, 5]) + bytes(v[2:7]) + b"\0" + b"".join(bytes([1, i]) for i in v[7:])
        else:
            out += bytes([2, v[0] << 4 | v[1], 0, 5, v[2] << 4 | v[3], v[4] << 4 | v[5], v[6] << 4, 0])
            out += b"".join(bytes([1, i << 4]) for i in v[7:])
        out += b"\0\0"
    return out + b"\0\1"


i8 = indices.copy()
i8[:, 1] = i8[:, 0]
add("runs-8.bmp", bmp(runs(i8, 8), 8, quads, compression=1), table[i8])
i4 = (x + 2 * y) % 16
add("runs-4.bmp", bmp(runs(i4, 4), 4, quads[:64], compression=2), table[i4])
moved = bytes([3, 7, 0, 2, 4, 2, 2, 9, 0, 1])
shown = np.zeros((H, W), int)
shown[H - 1, :3] = 7
shown[H - 3, 7:9] = 9
add("moved.bmp", bmp(moved, 8, quads, compression=1), table[shown], check=False)
refuse("cut-runs.bmp", bmp(runs(i8, 8)[:-30], 8, quads, compression=1), "ends early")
refuse("cut.bmp", bmp(bmp_rows(p24, 24), 24)[:-3], "ends early")
refuse("holds-jpeg.bmp", bmp(plain, 0, compression=4), "packed by JPEG, which is not read")
refuse("holds-png.bmp", bmp(plain, 0, compression=5), "packed by PNG, which is not read")

# --- TIFF ------------------------------------------------------------------------------------------------------------
for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    add(f"{compression}.tif", save(RGB, "TIFF", compression=compression), RGB)
add("jpeg.tif", save(PHOTO, "TIFF", compression="jpeg", quality=90), limit=2)
bilevel = Image.fromarray(GREY).convert("1")
for compression in ("group3", "group4", "tiff_ccitt", "raw"):
    add(f"bilevel-{compression}.tif", save(bilevel, "TIFF", compression=compression))
add("grey-8.tif", save(GREY, "TIFF"), GREY)
add("grey-16.tif", save(Image.fromarray(GREY16), "TIFF"), (GREY16 >> 8).astype(np.uint8), check=False)
add("palette.tif", save(paletted, "TIFF"), limit=1)
add("rgba.tif", save(alpha, "TIFF"), over_white(RGB, ALPHA), limit=1)
add("cmyk.tif", save(Image.fromarray(cmyk, "CMYK"), "TIFF"), limit=1)
add("pages.tif", save(Image.fromarray(RGB), "TIFF", save_all=True, append_images=[Image.fromarray(255 - PHOTO)]), RGB)


def samples_tiff(a, order="<", big=False, kind=None, planar=1, tile=None, **more):
    a = a[..., None] if a.ndim == 2 else a
    h, w, c = a.shape
    bits = a.dtype.itemsize * 8
    a = a.astype(a.dtype.newbyteorder(order))
    parts = [a] if planar == 1 else [a[..., i:i + 1] for i in range(c)]
    pieces = []
    for p in parts:
        if tile:
            p = np.pad(p, ((0, -h % tile), (0, -w % tile), (0, 0)))
            pieces += [p[t:t + tile, l:l + tile].tobytes() for t in range(0, h, tile) for l in range(0, w, tile)]
        else:
            pieces += [p[t:t + 3].tobytes() for t in range(0, h, 3)]
    head = 16 if big else 8
    places = [head + sum(map(len, pieces[:i])) for i in range(len(pieces))]
    sizes = list(map(len, pieces))
    entries = {256: (3, [w]), 257: (4, [h]), 258: (3, [bits] * c), 259: (3, [1]), 277: (3, [c]), 284: (3, [planar]),
               262: (3, [kind if kind is not None else 1 if c < 3 else 2])}
    if tile:
        entries |= {322: (3, [tile]), 323: (3, [tile]), 324: (4, places), 325: (4, sizes)}
    else:
        entries |= {278: (3, [3]), 273: (4, places), 279: (4, sizes)}
    entries |= {int(k[1:]): v for k, v in more.items()}
    return tiff(entries, order, big, b"".join(pieces))


add("rgb-16.tif", samples_tiff(RGB16), RGB)
add("rgb-16-big-endian.tif", samples_tiff(RGB16, ">"), RGB)
add("big.tif", samples_tiff(RGB, big=True), RGB)
# Pillow knows BigTIFF of the other order of bytes only.
add("big-16.tif", samples_tiff(RGB16, ">", big=True), RGB, check=False)
add("planes.tif", samples_tiff(RGB, planar=2), RGB)
add("planes-16.tif", samples_tiff(RGB16, planar=2), RGB, check=False)
add("tiles.tif", samples_tiff(RGB, tile=16), RGB)
add("tiles-16.tif", samples_tiff(RGB16, tile=16), RGB, check=False)
add("tiles-of-planes.tif", samples_tiff(RGB, tile=16, planar=2), RGB, check=False)
add("white-is-zero.tif", samples_tiff(255 - GREY, kind=0), GREY)
add("white-is-zero-16.tif", samples_tiff(65535 - GREY16, kind=0), (GREY16 >> 8).astype(np.uint8), check=False)
add("rgba-16.tif", samples_tiff(np.dstack([RGB16, ALPHA16]), t338=(3, [2])), over_white(RGB, ALPHA), limit=2, check=False)
multiplied = (RGB.astype(int) * ALPHA[..., None] // 255).astype(np.uint8)
add("rgba-associated.tif", samples_tiff(np.dstack([multiplied, ALPHA]), t338=(3, [1])), over_white(RGB, ALPHA), limit=2, check=False)
add("grey-alpha.tif", samples_tiff(np.dstack([GREY, ALPHA]), t338=(3, [2])), over_white(GREY, ALPHA), limit=1, check=False)
for value in range(1, 9):
    order = "<>"[value % 2]
    add(f"orientation-{value}.tif", samples_tiff(RGB, order, t274=(3 if value % 3 else 4, [value])), turned(value), check=value % 3)
refuse("float.tif", samples_tiff(RGB.astype(np.float32), t339=(3, [3, 3, 3])), "no unsigned integers")
refuse("signed.tif", samples_tiff(RGB16, t339=(3, [2, 2, 2])), "no unsigned integers")
refuse("grey-alpha-16.tif", samples_tiff(np.dstack([GREY16, ALPHA16]), t338=(3, [2])), "opacity")
refuse("cut.tif", samples_tiff(RGB)[:100] + samples_tiff(RGB)[300:], "ends inside its header")
cut = save(PHOTO, "TIFF", compression="tiff_lzw")
refuse("damaged-lzw.tif", cut[:60] + b"\xff" * 80 + cut[140:], "TIFF")

lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(golden[name])}" for name in sorted(golden))
(OUT / "golden.json").write_text(f'{{"files": {{\n{lines}}},\n"pixels": {json.dumps(pixels, indent=0)}}}\n')
print(len(golden), "files,", sum(p.stat().st_size for p in OUT.iterdir()), "bytes")
