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
// coefficients of an image row are base + f * slope.
struct Curves {
    const Job& job;
    Index pixels, width;          // of the tile; width in samples
    Index map_row = -1;           // the one that base holds
    float *base, *slope;          // (steps, width) each
    float* weight;                // of each pixel, between its two map columns
    Index *run_end, *run_column;  // runs of pixels that lie between the same two map columns
    Index runs = 0;

    Curves(const Job& j, Index n, Arena& arena) : job(j), pixels(n), width(3 * n) {
        base = arena.take<float>(job.steps * width);
        slope = arena.take<float>(job.steps * width);
        weight = arena.take<float>(pixels);
        run_end = arena.take<Index>(pixels);
        run_column = arena.take<Index>(pixels);
    }

    void start_at(Index left) {
        for (Index x = 0; x < pixels; ++x) {
            const Position p(left + x, job.width, job.map_width);
            weight[x] = p.weight;
            if (runs == 0 || run_column[runs - 1] != p.lower) run_column[runs++] = p.lower;
            run_end[runs - 1] = x + 1;
        }
    }

    // base moves on by slope, and slope becomes the way from there to map row `row`.
    void advance_to(Index row) {
        for (Index j = 0; j < job.steps * width; ++j) base[j] += slope[j];
        const Index plane = job.map_height * job.map_width;
        const Index next_channel = job.map_channels == 3 ? plane : 0;
        for (Index k = 0; k < job.steps; ++k) {
            const float* map = job.maps + k * job.map_channels * plane + row * job.map_width;
            Index x = 0;
            for (Index i = 0; i < runs; ++i) {
                const Index column = run_column[i];
                const Index next = column + 1 < job.map_width ? column + 1 : column;
                const float r = map[column], r_step = map[next] - r;
                const float g = map[next_channel + column], g_step = map[next_channel + next] - g;
                const float b = map[2 * next_channel + column], b_step = map[2 * next_channel + next] - b;
                float* __restrict to = slope + k * width;
                for (; x < run_end[i]; ++x) {
                    to[3 * x] = r + weight[x] * r_step;
                    to[3 * x + 1] = g + weight[x] * g_step;
                    to[3 * x + 2] = b + weight[x] * b_step;
                }
            }
        }
        for (Index j = 0; j < job.steps * width; ++j) slope[j] -= base[j];
    }

    // Walk the steps on row y of the image; v holds the tile's samples in [0, 1].
    void walk(Index y, float* __restrict v) {
        const Position p(y, job.height, job.map_height);
        if (p.lower != map_row) {
            if (map_row < 0 || p.lower != map_row + 1) {
                for (Index j = 0; j < job.steps * width; ++j) base[j] = slope[j] = 0;
                advance_to(p.lower);
            }
            advance_to(p.upper);
            map_row = p.lower;
        }
        for (Index k = 0; k < job.iterations; ++k) {
            const Index step = job.steps == 1 ? 0 : k * width;
            const float* __restrict e = base + step;
            const float* __restrict d = slope + step;
            for (Index j = 0; j < width; ++j) {
                const float a = e[j] + p.weight * d[j];
                v[j] += a * (v[j] - v[j] * v[j]);
            }
        }
    }
};

}  // namespace
}  // namespace undim
