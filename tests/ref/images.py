#!/usr/bin/env python3
"""Images and their pixels as Pillow sees them, for data/image.c.

Usage: images.py images.st      (Pillow, NumPy 2, safetensors)

For each image a tensor NAME of the file's bytes and NAME.px [h, w, c], U8. All
are drawn here: ramps and noise. What Pillow cannot write (interlaced PNG, 16-bit
RGB, plain PGM) is written here and read by Pillow all the same, but for 16-bit
RGB, of which it keeps the high bytes only. Pixels of 16 bits are rounded to 8, alpha
is laid on white. NAME of resized pixels: "resize KIND HxWxC", made from "source".
"""
import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

H, W = 11, 13
out = {}
rng = np.random.default_rng(7)


def ramp(h, w, c, top=255):
    y, x, k = np.mgrid[0:h, 0:w, 0:c]
    v = (y / (h - 1) + x / (w - 1) * (k + 1)) / (k + 2)
    return np.round(v * top)


def draw(c, top=255):
    """A ramp with noise on its right half."""
    v = ramp(H, W, c, top)
    v[:, W // 2 :] = rng.integers(0, top + 1, (H, W - W // 2, c))
    return v.astype(np.uint16 if top > 255 else np.uint8)


def add(name, data, px):
    px = np.asarray(px)
    out[name] = np.frombuffer(data, np.uint8)
    out[name + ".px"] = np.ascontiguousarray(px.reshape(px.shape[0], px.shape[1], -1), np.uint8)


def encode(im, format, **options):
    b = io.BytesIO()
    im.save(b, format, **options)
    return b.getvalue()


def decode(data):
    return Image.open(io.BytesIO(data))


def on_white(px):
    """[h, w, c + 1] to [h, w, c]."""
    v, a = px[..., :-1].astype(float), px[..., -1:].astype(float)
    return np.floor((v * a + 255 * (255 - a)) / 255 + 0.5)


def to_8(px):
    return np.floor(px.astype(float) / 257 + 0.5)


# ---- JPEG ------------------------------------------------------------------------

rgb, grey = draw(3), draw(1)[..., 0]
smooth = Image.fromarray(ramp(24, 40, 3).astype(np.uint8))
for name, im, options in [
    ("jpeg 4:4:4", Image.fromarray(rgb), {"subsampling": 0, "quality": 92}),
    ("jpeg 4:2:2", Image.fromarray(rgb), {"subsampling": 1}),
    ("jpeg 4:2:0", Image.fromarray(rgb), {"subsampling": 2}),
    ("jpeg 4:2:0 smooth", smooth, {"subsampling": 2}),
    ("jpeg progressive", Image.fromarray(rgb), {"progressive": True}),
    ("jpeg grey", Image.fromarray(grey), {}),
]:
    data = encode(im, "JPEG", **options)
    add(name, data, decode(data))
out["refused jpeg CMYK"] = np.frombuffer(encode(Image.fromarray(rgb).convert("CMYK"), "JPEG"), np.uint8)

# ---- PNG -------------------------------------------------------------------------

rgba, la = draw(4), draw(2)
rgba[0, :, 3], rgba[1, :, 3] = 0, 255
add("png grey", encode(Image.fromarray(grey), "PNG"), grey)
add("png rgb", encode(Image.fromarray(rgb), "PNG"), rgb)
add("png rgba", encode(Image.fromarray(rgba), "PNG"), on_white(rgba))
add("png grey alpha", encode(Image.fromarray(la), "PNG"), on_white(la))
for bits in 1, 2, 4, 8:
    im = Image.fromarray(rgb).quantize(2**bits if bits < 8 else 200)
    add(f"png palette {bits}", encode(im, "PNG", bits=bits), im.convert("RGB"))
im = Image.fromarray(rgb).quantize(16)
data = encode(im, "PNG", transparency=bytes(range(0, 256, 16)))
add("png palette alpha", data, on_white(np.asarray(decode(data).convert("RGBA"))))
data = encode(Image.fromarray(rgb), "PNG", transparency=tuple(int(v) for v in rgb[3, 4]))
add("png rgb key", data, on_white(np.asarray(decode(data).convert("RGBA"))))
im = Image.fromarray(grey).convert("1")
add("png 1 bit", encode(im, "PNG"), im.convert("L"))
deep = draw(1, 65535)[..., 0]
add("png grey 16", encode(Image.fromarray(deep), "PNG"), to_8(deep))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(px, colour, interlaced):
    """A PNG of 8 or 16 bits, unfiltered (PNG specification, 8.2: Adam7)."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    rows = b""
    for y, x, dy, dx in passes if interlaced else [(0, 0, 1, 1)]:
        part = px[y::dy, x::dx]
        if part.size:
            rows += b"".join(b"\0" + r.astype(r.dtype.newbyteorder(">")).tobytes() for r in part)
    head = struct.pack(">IIBBBBB", px.shape[1], px.shape[0], 8 * px.itemsize, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


deep = draw(3, 65535)
add("png rgb 16", png(deep, 2, False), to_8(deep))
assert np.array_equal(decode(png(deep, 2, False)), deep >> 8)
data = png(rgb, 2, True)
add("png interlaced", data, decode(data).convert("RGB"))
data = png(rgba, 6, True)
add("png interlaced rgba", data, on_white(np.asarray(decode(data))))

# ---- PGM and PPM -----------------------------------------------------------------

add("pgm raw", encode(Image.fromarray(grey), "PPM"), grey)
add("ppm raw", encode(Image.fromarray(rgb), "PPM"), rgb)
deep = draw(1, 65535)[..., 0]
add("pgm raw 16", b"P5 13 11 65535\n" + deep.astype(">u2").tobytes(), to_8(deep))
some = (grey % 102).astype(np.uint8)
data = b"P5\n# drawn\n13 11 # to the end of the line\n101\n" + some.tobytes()
add("pgm raw 101", data, decode(data))
data = f"P2\n# drawn\n13\n11 101\n{' '.join(str(v) for v in some.ravel())}\n".encode()
add("pgm plain", data, decode(data))
data = f"P3 13 11 255 {' '.join(str(v) for v in rgb.ravel())} ".encode()
add("ppm plain", data, decode(data))

# ---- resizing ----------------------------------------------------------------------


def area(px, h, w):
    """The mean over the exact area of each new pixel, by pixels repeated until both sizes divide."""
    big = np.kron(px.astype(float), np.ones((h, w, 1)))
    return np.floor(big.reshape(h, px.shape[0], w, px.shape[1], -1).mean(axis=(1, 3)) + 0.5)


source = rng.integers(0, 256, (36, 24, 3), dtype=np.uint8)
im = Image.fromarray(source)
out["source"] = source
for h, w in (12, 12), (9, 24), (36, 8), (1, 1), (36, 24):
    out[f"resize box {h}x{w}x3"] = np.asarray(im.resize((w, h), Image.BOX))
out["resize reduce 12x8x3"] = np.asarray(im.reduce(3))
for h, w in (50, 70), (37, 25), (72, 48):
    out[f"resize linear {h}x{w}x3"] = np.asarray(im.resize((w, h), Image.BILINEAR))
for h, w in (7, 5), (35, 23), (10, 24):
    out[f"resize area {h}x{w}x3"] = area(source, h, w).astype(np.uint8)
out["resize grey 36x24x1"] = np.asarray(im.convert("L"))[..., None]
out["resize grey 12x8x1"] = np.asarray(im.reduce(3).convert("L"))[..., None]
save_file(dict(sorted(out.items())), sys.argv[1])
