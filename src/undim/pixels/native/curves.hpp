// The curve and its interpolated maps on a tile. Part of tile.cpp, compiled once per instruction
// set.
#pragma once

#include "columns.hpp"
#include "grid.hpp"
#include "rows.hpp"

namespace undim {
namespace {

// The curve maps, expanded to the width of a tile once per map row, not once per image row: between
// two map rows the coefficients of an image row are base + weight * slope. Lanes are the samples of
// a pixel that lie side by side: 3 in rows of RGB, 1 in planes. `rows` of coefficients: one for
// each step, times the channels of the maps in planes.
template <Index lanes>
struct Coefficients {
    const Curve& curve;
    Index picture_height, picture_width;
    Columns columns;
    Index width, rows;    // of the tile in samples
    Index map_row = -1;   // the one that base holds
    float *base, *slope;  // (rows, width) each

    Coefficients(const Curve& c, Index height, Index across, Index pixels, Arena& arena)
        : curve(c),
          picture_height(height),
          picture_width(across),
          columns(pixels, arena),
          width(lanes * pixels),
          rows(c.steps * (lanes == 1 ? c.channels : 1)),
          base(arena.take<float>(rows * width)),
          slope(arena.take<float>(rows * width)) {}

    void start_at(Index left) { columns.start_at(left, picture_width, curve.width); }

    // base moves on by slope, and slope becomes the way from there to map row `row`.
    void advance_to(Index row) {
        for (Index j = 0; j < rows * width; ++j) base[j] += slope[j];
        const Index plane = curve.height * curve.width, planes = curve.steps * curve.channels;
        for (Index k = 0; k < rows; ++k) {
            const float* map = curve.maps + k * (planes / rows) * plane + row * curve.width;
            Index x = 0;
            for (Index i = 0; i < columns.runs; ++i) {
                const Index column = columns.run_column[i];
                const Index next = column + 1 < curve.width ? column + 1 : column;
                float here[lanes], step[lanes];
                for (Index c = 0; c < lanes; ++c) {
                    const float* channel = map + (planes / rows == lanes ? c : 0) * plane;
                    here[c] = channel[column];
                    step[c] = channel[next] - here[c];
                }
                float* __restrict to = slope + k * width;
                for (; x < columns.run_end[i]; ++x)
                    for (Index c = 0; c < lanes; ++c)
                        to[lanes * x + c] = here[c] + columns.across[x] * step[c];
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

// Where a row's coefficients come from: a of step k at sample or pixel j; `from` skips steps. One
// loop walks all kinds.
struct Interpolated {
    const float *base, *slope;
    float weight;
    Index stride;  // from step to step; 0 where all are the same

    float operator()(Index k, Index j) const {
        return base[k * stride + j] + weight * slope[k * stride + j];
    }
    Interpolated from(Index k) const {
        return {base + k * stride, slope + k * stride, weight, stride};
    }
};

struct Constant {
    const float* a;
    Index stride;  // from step to step

    float operator()(Index k, Index) const { return a[k * stride]; }
    Constant from(Index k) const { return {a + k * stride, stride}; }
};

struct Sliced {  // or whatever else the steps share
    const float* a;

    float operator()(Index, Index j) const { return a[j]; }
    Sliced from(Index) const { return *this; }
};

// `steps` steps of the curve in one pass, so that the samples stay in registers.
template <int steps, typename A>
void walk_row(A a, float* __restrict v, Index n) {
    for (Index j = 0; j < n; ++j) {
        float x = v[j];
        for (int k = 0; k < steps; ++k) x += a(k, j) * (x - x * x);
        v[j] = x;
    }
}

// The same with coefficients that the samples of a pixel share; those of a colour are `stride`
// apart.
template <int steps, Index stride, typename A>
void walk_pixels(A a, float* __restrict red, float* __restrict green, float* __restrict blue,
                 Index n) {
    for (Index j = 0; j < n; ++j) {
        float r = red[stride * j], g = green[stride * j], b = blue[stride * j];
        for (int k = 0; k < steps; ++k) {
            const float of_step = a(k, j);
            r += of_step * (r - r * r);
            g += of_step * (g - g * g);
            b += of_step * (b - b * b);
        }
        red[stride * j] = r;
        green[stride * j] = g;
        blue[stride * j] = b;
    }
}

template <int count>
struct Steps {
    static constexpr int steps = count;
};

// Calls walk(Steps, a) for all steps, for many at a time where there are as many: the usual eight
// load and store the samples once.
template <typename A, typename Walk>
void in_steps(Index iterations, A a, const Walk& walk) {
    constexpr Index many = 8;
    Index k = 0;
    for (; k + many <= iterations; k += many) walk(Steps<many>{}, a.from(k));
    for (; k < iterations; ++k) walk(Steps<1>{}, a.from(k));
}

// The guide of each pixel, which chooses among the levels: the largest of its samples.
template <Index stride>
void brightest(const float* __restrict red, const float* __restrict green,
               const float* __restrict blue, float* __restrict guide, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float r = red[stride * j], g = green[stride * j], b = blue[stride * j];
        const float most = r > g ? r : g;
        guide[j] = most > b ? most : b;
    }
}

// The curve on rows of RGB.
struct Curves {
    const Curve& curve;
    Index pixels;
    bool sliced;           // a depends on the brightness too
    Coefficients<3> maps;  // where it does not
    Grid grid;             // where it does

    Curves(const Curve& c, Index height, Index width, Index n, Arena& arena)
        : curve(c),
          pixels(n),
          sliced(c.levels > 1),
          maps(c, height, width, sliced ? 0 : n, arena),
          grid(c, height, width, sliced ? n : 0, arena) {}

    void start_at(Index left) {
        if (sliced)
            grid.start_at(left);
        else
            maps.start_at(left);
    }

    // Walk the steps on row y of the image; v holds the tile's samples in [0, 1].
    void walk(Index y, float* v) {
        if (sliced) {
            brightest<3>(v, v + 1, v + 2, grid.guide, pixels);
            grid.slice(y);
            in_steps(curve.iterations, Sliced{grid.a}, [&](auto part, Sliced from) {
                walk_pixels<decltype(part)::steps, 3>(from, v, v + 1, v + 2, pixels);
            });
        } else {
            const float weight = maps.at(y);
            const Interpolated of_row{maps.base, maps.slope, weight,
                                      curve.steps == 1 ? 0 : maps.width};
            in_steps(curve.iterations, of_row, [&](auto part, Interpolated from) {
                walk_row<decltype(part)::steps>(from, v, maps.width);
            });
        }
    }
};

}  // namespace
}  // namespace undim
