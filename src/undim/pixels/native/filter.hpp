// The self-guided filter on a tile. Part of tile.cpp, compiled once per instruction set.
#pragma once

#include "rows.hpp"

namespace undim {
namespace {

// A variance is a small difference of large numbers: 8-bit samples bear float sums, finer ones need
// double.
template <typename T>
struct Variance {
    using Sum = double;
};
template <>
struct Variance<std::uint8_t> {
    using Sum = float;
};

// Sums over `window` pixels along a row, made from sums over 2, 4, 8 ... pixels: the cost grows
// with its logarithm.
template <typename S>
struct Across {
    Index window;
    S* pairs[2];

    Across(Index w, Index width, Arena& arena)
        : window(w),
          pairs{arena.take<S>(width), arena.take<S>(width)} {}

    // total[j] = s[j] + s[j + 3] + ... + s[j + 3 (window - 1)]
    void sum(const S* s, S* __restrict total, Index n) {
        for (Index j = 0; j < n; ++j) total[j] = s[j];
        Index length = n + 3 * (window - 1), done = 1;
        for (Index span = 1, turn = 0; 2 * span <= window; span *= 2, turn ^= 1) {
            length -= 3 * span;
            add_shifted(s, s + 3 * span, pairs[turn], length);
            s = pairs[turn];
            if (window & (2 * span)) {
                accumulate(s + 3 * done, total, n);
                done += 2 * span;
            }
        }
    }

    static void add_shifted(const S* p, const S* q, S* __restrict to, Index n) {
        for (Index j = 0; j < n; ++j) to[j] = p[j] + q[j];
    }

    static void accumulate(const S* __restrict p, S* __restrict to, Index n) {
        for (Index j = 0; j < n; ++j) to[j] += p[j];
    }
};

// The sum over 5 pixels, the window that undim itself uses, needs no rows between: it is taken
// where it is read. The additions are those of Across.
template <typename S>
struct Five {
    const S* s;

    S operator[](Index j) const { return s[j] + ((s[j + 3] + s[j + 6]) + (s[j + 9] + s[j + 12])); }
};

// The self-guided filter (He, Sun, Tang 2013), fed row by row, with running sums down the columns.
template <typename Sum>
struct GuidedFilter {
    Index radius, window, width;  // width of the tile in samples
    float eps[3];                 // of the three channels
    float* noise;                 // eps along a row
    float *x, *a, *b;             // the last `window` rows
    Sum *sum_x, *sum_xx;
    float *sum_a, *sum_b;  // their sums
    Sum *box_x, *box_xx;
    float *box_a, *box_b;
    Across<Sum> across_x;
    Across<float> across_a;

    GuidedFilter(const Filter& job, Index pixels, Arena& arena)
        : radius(job.radius),
          window(2 * radius + 1),
          width(3 * pixels),
          eps{job.chroma_eps > 0.0f ? job.chroma_eps : job.eps, job.eps,
              job.chroma_eps > 0.0f ? job.chroma_eps : job.eps},
          noise(arena.take<float>(inner())),
          x(arena.take<float>(window * outer())),
          a(arena.take<float>(window * inner())),
          b(arena.take<float>(window * inner())),
          sum_x(arena.take<Sum>(outer())),
          sum_xx(arena.take<Sum>(outer())),
          sum_a(arena.take<float>(inner())),
          sum_b(arena.take<float>(inner())),
          box_x(arena.take<Sum>(inner())),
          box_xx(arena.take<Sum>(inner())),
          box_a(arena.take<float>(inner())),
          box_b(arena.take<float>(inner())),
          across_x(window, outer(), arena),
          across_a(window, inner(), arena) {}

    Index inner() const { return width + 6 * radius; }
    Index outer() const { return width + 12 * radius; }

    void clear() {
        for (Index j = 0; j < window * outer(); ++j) x[j] = 0;
        for (Index j = 0; j < window * inner(); ++j) a[j] = b[j] = 0;
        for (Index j = 0; j < outer(); ++j) sum_x[j] = sum_xx[j] = 0;
        for (Index j = 0; j < inner(); ++j) sum_a[j] = sum_b[j] = 0;
        for (Index j = 0; j < inner(); ++j) noise[j] = eps[j % 3];
    }

    // The row i of a ring, counted from the tile's first; it holds what came `window` rows before.
    float* x_row(Index i) const { return x + i % window * outer(); }

    void add_row(Index i, const float* __restrict fresh) {
        float* __restrict old = x_row(i);
        Sum* __restrict s = sum_x;
        Sum* __restrict ss = sum_xx;
        for (Index j = 0; j < outer(); ++j) {
            const Sum in = fresh[j], out = old[j];
            s[j] += in - out;
            ss[j] += in * in - out * out;
            old[j] = fresh[j];
        }
    }

    // From the sums around row i - radius: that row's a and b.
    void add_coefficients(Index i) {
        float* old_a = a + i % window * inner();
        float* old_b = b + i % window * inner();
        if (window == 5)
            return slide(Five<Sum>{sum_x}, Five<Sum>{sum_xx}, noise, sum_a, old_a, sum_b, old_b);
        across_x.sum(sum_x, box_x, inner());
        across_x.sum(sum_xx, box_xx, inner());
        slide<const Sum*>(box_x, box_xx, noise, sum_a, old_a, sum_b, old_b);
    }

    // The running sums of a and b take in a fresh row and give up the one that falls out of the
    // window.
    template <typename Box>
    void slide(Box s, Box ss, const float* __restrict e, float* __restrict sa,
               float* __restrict old_a, float* __restrict sb, float* __restrict old_b) const {
        const Sum share = Sum(1) / static_cast<Sum>(window * window);
        const Index n = inner();
        for (Index j = 0; j < n; ++j) {
            const Sum mean = s[j] * share;
            const float difference = static_cast<float>(ss[j] * share - mean * mean);
            const float variance = difference > 0.0f ? difference : 0.0f;
            const float fresh_a = variance / (variance + e[j]);
            const float fresh_b = static_cast<float>(mean) * (1.0f - fresh_a);
            sa[j] += fresh_a - old_a[j];
            sb[j] += fresh_b - old_b[j];
            old_a[j] = fresh_a;
            old_b[j] = fresh_b;
        }
    }

    // box(a) x + box(b), for the row whose samples before the filter are x
    void result(const float* before, float* v) {
        if (window == 5) return combine(Five<float>{sum_a}, Five<float>{sum_b}, before, v);
        across_a.sum(sum_a, box_a, width);
        across_a.sum(sum_b, box_b, width);
        combine<const float*>(box_a, box_b, before, v);
    }

    template <typename Box>
    void combine(Box sa, Box sb, const float* __restrict before, float* __restrict v) const {
        const float share = 1.0f / static_cast<float>(window * window);
        for (Index j = 0; j < width; ++j) v[j] = (sa[j] * before[j] + sb[j]) * share;
    }
};

// Brightness and colour differences in place of red, green and blue: (R - Y, Y, B - Y) with Y = (R
// + G + B) / 3.
inline void to_opponent(const float* __restrict rgb, float* __restrict out, Index n) {
    for (Index j = 0; j < n; j += 3) {
        const float y = (rgb[j] + rgb[j + 1] + rgb[j + 2]) * (1.0f / 3.0f);
        out[j] = rgb[j] - y;
        out[j + 1] = y;
        out[j + 2] = rgb[j + 2] - y;
    }
}

inline void from_opponent(float* v, Index n) {
    for (Index j = 0; j < n; j += 3) {
        const float red = v[j], y = v[j + 1], blue = v[j + 2];
        v[j] = y + red;
        v[j + 1] = y - red - blue;
        v[j + 2] = y + blue;
    }
}

inline void clip(float* v, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float low = v[j] > 0.0f ? v[j] : 0.0f;
        v[j] = low < 1.0f ? low : 1.0f;
    }
}

}  // namespace
}  // namespace undim
