// The curve and its interpolated maps on a tile. Part of tile.cpp, compiled once per instruction set.
#pragma once

#include "rows.hpp"

namespace undim {
namespace {

// Where a cell falls among coarser ones (or finer): half-pixel centres, edges clamped.
struct Position {
    Index lower, upper;
    float weight;  // of the upper

    Position(Index target, Index targets, Index sources) {
        const double scale = static_cast<double>(sources) / static_cast<double>(targets);
        const double last = static_cast<double>(sources - 1);
        double p = (static_cast<double>(target) + 0.5) * scale - 0.5;
        p = p < 0 ? 0 : p > last ? last : p;
        lower = static_cast<Index>(p);
        upper = lower + 1 < sources ? lower + 1 : lower;
        weight = static_cast<float>(p - static_cast<double>(lower));
    }
};

// The curve maps, expanded to the width of a tile once per map row, not once per image row: between two map rows the
// coefficients of an image row are base + weight * slope. Lanes are the samples of a pixel that lie side by side: 3 in
// rows of RGB, 1 in planes. `rows` of coefficients: one for each step, times the channels of the maps in planes.
template <Index lanes>
struct Coefficients {
    const Curve& curve;
    Index picture_height, picture_width;
    Index pixels, width, rows;  // of the tile; width in samples
    Index map_row = -1;         // the one that base holds
    float *base, *slope;        // (rows, width) each
    float* across;              // weight of each pixel's second map column
    Index *run_end, *run_column;  // runs of pixels that lie between the same two map columns
    Index runs = 0;

    Coefficients(const Curve& c, Index h, Index w, Index n, Arena& arena)
        : curve(c),
          picture_height(h),
          picture_width(w),
          pixels(n),
          width(lanes * n),
          rows(c.steps * (lanes == 1 ? c.channels : 1)) {
        base = arena.take<float>(rows * width);
        slope = arena.take<float>(rows * width);
        across = arena.take<float>(pixels);
        run_end = arena.take<Index>(pixels);
        run_column = arena.take<Index>(pixels);
    }

    void start_at(Index left) {
        for (Index x = 0; x < pixels; ++x) {
            const Position p(left + x, picture_width, curve.width);
            across[x] = p.weight;
            if (runs == 0 || run_column[runs - 1] != p.lower) run_column[runs++] = p.lower;
            run_end[runs - 1] = x + 1;
        }
    }

    // base moves on by slope, and slope becomes the way from there to map row `row`.
    void advance_to(Index row) {
        for (Index j = 0; j < rows * width; ++j) base[j] += slope[j];
        const Index plane = curve.height * curve.width, planes = curve.steps * curve.channels;
        for (Index k = 0; k < rows; ++k) {
            const float* map = curve.maps + k * (planes / rows) * plane + row * curve.width;
            Index x = 0;
            for (Index i = 0; i < runs; ++i) {
                const Index column = run_column[i];
                const Index next = column + 1 < curve.width ? column + 1 : column;
                float here[lanes], step[lanes];
                for (Index c = 0; c < lanes; ++c) {
                    const float* channel = map + (planes / rows == lanes ? c : 0) * plane;
                    here[c] = channel[column];
                    step[c] = channel[next] - here[c];
                }
                float* __restrict to = slope + k * width;
                for (; x < run_end[i]; ++x)
                    for (Index c = 0; c < lanes; ++c) to[lanes * x + c] = here[c] + across[x] * step[c];
            }
        }
        for (Index j = 0; j < rows * width; ++j) slope[j] -= base[j];
    }

    // Bring base and slope to row y of the image; returns the slope's weight there.
    float at(Index y) {
        const Position p(y, picture_height, curve.height);
        if (p.lower != map_row) {
            if (map_row < 0 || p.lower != map_row + 1) {
                for (Index j = 0; j < rows * width; ++j) base[j] = slope[j] = 0;
                advance_to(p.lower);
            }
            advance_to(p.upper);
            map_row = p.lower;
        }
        return p.weight;
    }
};

// `steps` steps of the curve in one pass, so that the samples stay in registers; a = base + weight * slope, those of
// step k at k * stride.
template <int steps>
void walk_row(const float* __restrict base, const float* __restrict slope, float weight, Index stride,
              float* __restrict v, Index n) {
    for (Index j = 0; j < n; ++j) {
        float x = v[j];
        for (int k = 0; k < steps; ++k) {
            const float a = base[k * stride + j] + weight * slope[k * stride + j];
            x += a * (x - x * x);
        }
        v[j] = x;
    }
}

// The curve on rows of RGB.
struct Curves : Coefficients<3> {
    using Coefficients::Coefficients;

    // Walk the steps on row y of the image; v holds the tile's samples in [0, 1].
    void walk(Index y, float* v) {
        const float weight = at(y);
        Index k = 0;
        for (; k + 4 <= rows; k += 4) walk_row<4>(base + k * width, slope + k * width, weight, width, v, width);
        for (; k < curve.iterations; ++k) {
            const Index row = rows == 1 ? 0 : k * width;
            walk_row<1>(base + row, slope + row, weight, width, v, width);
        }
    }
};

}  // namespace
}  // namespace undim
