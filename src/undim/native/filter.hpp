// The self-guided filter on a tile. Part of tile.cpp, compiled once per instruction set.
#pragma once

#include "rows.hpp"

namespace undim {
namespace {

// The self-guided filter (He, Sun, Tang 2013), fed row by row, with running sums down the columns.
struct Filter {
    Index radius, window, width;  // width of the tile in samples
    float eps;
    float *x, *a, *b;                       // the last `window` rows
    float *sum_x, *sum_xx, *sum_a, *sum_b;  // their sums
    float *box_1, *box_2, *pair_1, *pair_2;

    Filter(const Job& job, Index pixels, Arena& arena)
        : radius(job.radius), window(2 * radius + 1), width(3 * pixels), eps(job.eps) {
        x = arena.take(window * outer());
        a = arena.take(window * inner());
        b = arena.take(window * inner());
        sum_x = arena.take(outer());
        sum_xx = arena.take(outer());
        sum_a = arena.take(inner());
        sum_b = arena.take(inner());
        box_1 = arena.take(outer());
        box_2 = arena.take(outer());
        pair_1 = arena.take(outer());
        pair_2 = arena.take(outer());
    }

    Index inner() const { return width + 6 * radius; }
    Index outer() const { return width + 12 * radius; }

    void clear() {
        for (Index j = 0; j < window * outer(); ++j) x[j] = 0;
        for (Index j = 0; j < window * inner(); ++j) a[j] = b[j] = 0;
        for (Index j = 0; j < outer(); ++j) sum_x[j] = sum_xx[j] = 0;
        for (Index j = 0; j < inner(); ++j) sum_a[j] = sum_b[j] = 0;
    }

    // The row i of a ring, counted from the tile's first; it holds what came `window` rows before.
    float* x_row(Index i) const { return x + i % window * outer(); }

    void add_row(Index i, const float* __restrict fresh) {
        float* __restrict old = x_row(i);
        float* __restrict s = sum_x;
        float* __restrict ss = sum_xx;
        for (Index j = 0; j < outer(); ++j) {
            s[j] += fresh[j] - old[j];
            ss[j] += fresh[j] * fresh[j] - old[j] * old[j];
            old[j] = fresh[j];
        }
    }

    // From the sums around row i - radius: that row's a and b.
    void add_coefficients(Index i) {
        const Index n = inner();
        sum_across(sum_x, box_1, n);
        sum_across(sum_xx, box_2, n);
        const float share = 1.0f / static_cast<float>(window * window);
        const float noise = eps;
        float* __restrict s = box_1;
        float* __restrict ss = box_2;
        for (Index j = 0; j < n; ++j) {
            const float mean = s[j] * share;
            const float difference = ss[j] * share - mean * mean;
            const float variance = difference > 0.0f ? difference : 0.0f;
            ss[j] = variance / (variance + noise);
            s[j] = mean - mean * ss[j];
        }
        slide(sum_a, a + i % window * n, box_2, n);
        slide(sum_b, b + i % window * n, box_1, n);
    }

    // A running sum takes in a fresh row and gives up the one that falls out of the window.
    static void slide(float* __restrict sum, float* __restrict old, const float* __restrict fresh, Index n) {
        for (Index j = 0; j < n; ++j) {
            sum[j] += fresh[j] - old[j];
            old[j] = fresh[j];
        }
    }

    // box(a) x + box(b), for the row whose samples before the filter are x
    void result(const float* __restrict before, float* __restrict v) {
        sum_across(sum_a, box_1, width);
        sum_across(sum_b, box_2, width);
        const float share = 1.0f / static_cast<float>(window * window);
        const float* __restrict sa = box_1;
        const float* __restrict sb = box_2;
        for (Index j = 0; j < width; ++j) {
            const float y = (sa[j] * before[j] + sb[j]) * share;
            const float low = y > 0.0f ? y : 0.0f;
            v[j] = low < 1.0f ? low : 1.0f;
        }
    }

    // total[j] = s[j] + s[j + 3] + ... + s[j + 3 (window - 1)], from sums over 2, 4, 8 ... pixels
    void sum_across(const float* s, float* __restrict total, Index n) {
        for (Index j = 0; j < n; ++j) total[j] = s[j];
        Index length = n + 3 * (window - 1), done = 1;
        float* sums[] = {pair_1, pair_2};
        for (Index span = 1, turn = 0; 2 * span <= window; span *= 2, turn ^= 1) {
            length -= 3 * span;
            add_shifted(s, s + 3 * span, sums[turn], length);
            s = sums[turn];
            if (window & (2 * span)) {
                accumulate(s + 3 * done, total, n);
                done += 2 * span;
            }
        }
    }

    static void add_shifted(const float* p, const float* q, float* __restrict to, Index n) {
        for (Index j = 0; j < n; ++j) to[j] = p[j] + q[j];
    }

    static void accumulate(const float* __restrict p, float* __restrict to, Index n) {
        for (Index j = 0; j < n; ++j) to[j] += p[j];
    }
};

}  // namespace
}  // namespace undim
