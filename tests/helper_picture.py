# Looks at the studio's pictures. As a program: python3 tests/helper_picture.py PICTURE.png < what `tell` of its script printed
import json, struct, sys, zlib

def read_png(path):
    data = open(path, "rb").read()
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", body[:10])
            assert depth == 8 and color == 2
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    raw, rows, line, before = zlib.decompress(packed), [], 3 * width, bytearray(3 * width)
    for y in range(height):
        kind, row = raw[y * (line + 1)], bytearray(raw[y * (line + 1) + 1:(y + 1) * (line + 1)])
        if kind == 1:
            for i in range(3, line): row[i] = (row[i] + row[i - 3]) & 255
        elif kind == 2:
            for i in range(line): row[i] = (row[i] + before[i]) & 255
        elif kind == 3:
            for i in range(line): row[i] = (row[i] + ((row[i - 3] if i > 2 else 0) + before[i]) // 2) & 255
        elif kind == 4:
            for i in range(line):
                a, b, c = (row[i - 3] if i > 2 else 0), before[i], (before[i - 3] if i > 2 else 0)
                p = a + b - c
                pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
                row[i] = (row[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c)) & 255
        rows.append(row)
        before = row
    return width, height, rows

def rgb(text):
    return tuple(bytes.fromhex(text[1:]))

# What is wrong, line by line: the curve's colour must be in the rectangle that the studio tells, and fall from left to right.
def check_curve(path, state):
    found = []
    fail = lambda text: found.append(f"{path}: {text}")
    width, height, rows = read_png(path)
    if (width, height) != (state["width"], state["height"]): fail(f"{width} x {height}")
    if tuple(rows[height - 3][-6:-3]) != rgb(state["back"]): fail(f"the window's colour is {tuple(rows[height - 3][-6:-3])}")
    x, y, w, h = (int(v) for v in state["plot"])
    color, columns = rgb(state["curve"]), {}
    for row in range(y, y + h):
        line = rows[row]
        for column in range(x, x + w):
            if tuple(line[3 * column:3 * column + 3]) == color: columns.setdefault(column, []).append(row)
    if len(columns) < 0.6 * w: fail(f"the curve has {len(columns)} of {w} columns")
    def mean(part):
        values = [sum(columns[c]) / len(columns[c]) for c in part]
        return sum(values) / max(1, len(values))
    order = sorted(columns)
    tenth = max(1, len(order) // 10)
    first, last = mean(order[:tenth]), mean(order[-tenth:])
    if not last - first > 0.4 * h: fail(f"the curve goes from row {first} to {last} of {h}")
    if not any(tuple(rows[r][3 * c:3 * c + 3]) == rgb(state["points"]) for r in range(y, y + h) for c in range(x, x + w)):
        fail(f"no validation point")
    return found

if __name__ == "__main__":
    wrong = check_curve(sys.argv[1], json.loads([line for line in sys.stdin if line.startswith("{")][-1]))
    for line in wrong: print(line)
    sys.exit(bool(wrong))
