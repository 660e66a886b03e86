"""How far F(4x4, 3x3) is from the sums as defined in f32, for several sets of interpolation points (numpy alone).

Prints, for the output and for the gradient of the weights, the root mean square and the largest error as shares of the
root mean square of the exact result. The kernels use the set `reciprocal` (ddpm-kernels, cpu/conv/winograd).
"""

import numpy as np


def matrices(points, out=4, taps=3):
    """A^T, G and B^T of Toom and Cook's algorithm for finite points and infinity (Lavin & Gray 2016, section 4)."""
    n = out + taps - 1
    a, g, b = np.zeros((out, n)), np.zeros((n, taps)), np.zeros((n, n))
    for i, point in enumerate(points):
        others = [p for j, p in enumerate(points) if j != i]
        a[:, i] = [point**k for k in range(out)]
        g[i] = [point**k / np.prod([point - p for p in others]) for k in range(taps)]
        row = np.poly1d(others, r=True).coeffs[::-1]
        b[i, : len(row)] = row
    a[-1, -1] = g[-1, -1] = 1
    row = np.poly1d(points, r=True).coeffs[::-1]
    b[-1, : len(row)] = row
    return a, g, b


def both(matrix, tiles):
    """The transform of the last two dimensions, rounded to f32 after each."""
    matrix = matrix.astype(np.float32)
    half = np.einsum("ij,...jk->...ik", matrix, tiles).astype(np.float32)
    return np.einsum("...ik,lk->...il", half, matrix).astype(np.float32)


def errors(found, exact):
    difference = (found - exact) / exact.std()
    return f"rms {np.sqrt((difference**2).mean()):.2e}, largest {np.abs(difference).max():.2e}"


rng = np.random.default_rng(1)
tiles, c_in, c_out = 200, 128, 32
x, w = rng.normal(size=(tiles, c_in, 6, 6)), rng.normal(size=(c_out, c_in, 3, 3)) / np.sqrt(9 * c_in)
y_grad = rng.normal(size=(tiles, c_out, 4, 4))
patches = np.stack([x[:, :, i : i + 4, j : j + 4] for i in range(3) for j in range(3)], 2)
exact = np.einsum("tcpxy,kcp->tkxy", patches, w.reshape(c_out, c_in, 9))
exact_grad = np.einsum("tcpxy,tkxy->kcp", patches, y_grad).reshape(c_out, c_in, 3, 3)

as_defined = np.zeros(exact.shape, np.float32)
x32, w32, y32 = (values.astype(np.float32) for values in (x, w, y_grad))
for c in range(c_in):
    for p in range(9):
        as_defined += patches[:, None, c, p].astype(np.float32) * w32.reshape(c_out, c_in, 9)[None, :, c, p, None, None]
print(f"as defined: output {errors(as_defined, exact)}")

root = 2**0.5
for name, points in {"usual": [0, 1, -1, 2, -2], "reciprocal": [0, 1 / root, -1 / root, root, -root]}.items():
    a, g, b = matrices(points)
    inputs, kernels = both(b, x32), both(g, w32)
    products = np.zeros((tiles, c_out, 6, 6), np.float32)
    for c in range(c_in):
        products += inputs[:, None, c] * kernels[None, :, c]
    outputs = both(a, products)
    grads = both(a.T, y32)
    sums = np.zeros((c_out, c_in, 6, 6), np.float32)
    for t in range(tiles):
        sums += grads[t, :, None] * inputs[t, None]
    print(f"{name}: output {errors(outputs, exact)}; gradient {errors(both(g.T, sums), exact_grad)}")
