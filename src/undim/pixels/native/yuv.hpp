// The curve on a tile of a YUV frame, in floats. Part of video.cpp, compiled once per instruction
// set.
#pragma once

#include "cells.hpp"
#include "curves.hpp"
#include "layout.hpp"
#include "planes.hpp"
#include "video_job.hpp"

namespace undim {
namespace {

// Into x and, to be walked, into v.
void clipped_sum(const float* __restrict y, const float* __restrict colour, float* __restrict x,
                 float* __restrict v, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float sum = y[j] + colour[j];
        const float low = sum > 0.0f ? sum : 0.0f;
        x[j] = v[j] = low < 1.0f ? low : 1.0f;
    }
}

// y moves by the brightness of the change d = v - x; blue and red gather what is left of it, d_b -
// d_y and d_r - d_y.
void change_luma(const Yuv& job, float* const x[3], float* const v[3], float* __restrict y,
                 float* __restrict blue, float* __restrict red, Index n) {
    const float weight_r = job.red, weight_b = job.blue, weight_g = 1.0f - weight_r - weight_b;
    const float* __restrict xr = x[0];
    const float* __restrict xg = x[1];
    const float* __restrict xb = x[2];
    const float* __restrict vr = v[0];
    const float* __restrict vg = v[1];
    const float* __restrict vb = v[2];
    for (Index j = 0; j < n; ++j) {
        const float dr = vr[j] - xr[j], dg = vg[j] - xg[j], db = vb[j] - xb[j];
        const float change = weight_r * dr + weight_g * dg + weight_b * db;
        y[j] += change;
        blue[j] += db - change;
        red[j] += dr - change;
    }
}

// Per pixel, what U and V add to the brightness to give R, G and B.
void colours(const Yuv& job, const float* __restrict u, const float* __restrict v,
             float* __restrict r, float* __restrict g, float* __restrict b, Index cells) {
    const float blue = 2.0f * (1.0f - job.blue), red = 2.0f * (1.0f - job.red);
    const float green = 1.0f - job.red - job.blue;
    const float green_u = -blue * job.blue / green, green_v = -red * job.red / green;
    for (Index i = 0; i < cells; ++i) {
        r[i] = red * v[i];
        g[i] = green_u * u[i] + green_v * v[i];
        b[i] = blue * u[i];
    }
}

// One tile: the change d = curve(x) - x of each of R, G and B is added to Y and, averaged over a
// chroma sample's cell of pixels, to U and V. What lies outside of [0, 1] is moved like its nearest
// colour inside.
struct Brightening {
    const Yuv& job;
    Index pixels, cells;
    Layout layout;
    float *u, *v;             // of a row of cells
    float *cell, *colour[3];  // what U and V add: of cells, of pixels
    float *y, *x[3], *bright[3];
    float *blue, *red;     // sums over the cells' pixels of d_b - d_y and d_r - d_y
    float* steps;          // constant maps: (iterations, 3)
    Grid grid;             // sliced ones
    Coefficients<1> maps;  // others

    Brightening(const Yuv& j, Index n, Arena& arena)
        : job(j),
          pixels(n),
          cells((n + j.across - 1) / j.across),
          layout(layout_of(j.curve)),
          u(arena.take<float>(n)),
          v(arena.take<float>(n)),
          cell(arena.take<float>(3 * n)),
          colour{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          y(arena.take<float>(n)),
          x{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          bright{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          blue(arena.take<float>(n)),
          red(arena.take<float>(n)),
          steps(arena.take<float>(3 * j.curve.iterations)),
          grid(j.curve, j.height, j.width, layout == Layout::sliced ? n : 0, arena),
          maps(j.curve, j.height, j.width, interpolated(layout) ? n : 0, arena) {}

    void run(const Tile& tile) {
        if (layout == Layout::constant)
            read_constants();
        else if (layout == Layout::sliced)
            grid.start_at(tile.left);
        else
            maps.start_at(tile.left);
        change_cells(*this, job, tile);
    }

    void read_constants() {
        const Index channels = job.curve.channels;
        for (Index k = 0; k < job.curve.iterations; ++k)
            for (Index c = 0; c < 3; ++c) {
                const Index step = job.curve.steps == 1 ? 0 : k, channel = channels == 3 ? c : 0;
                steps[3 * k + c] = job.curve.maps[step * channels + channel];
            }
    }

    void change(Index row, Index left) {
        load(job.in, 0, row, left, y, pixels);
        for (Index c = 0; c < 3; ++c) clipped_sum(y, colour[c], x[c], bright[c], pixels);
        walk(row);
        change_luma(job, x, bright, y, blue, red, pixels);
        store(job.out, 0, row, left, y, pixels);
    }

    void begin_cells(Index row, Index column) {
        load(job.in, 1, row, column, u, cells);
        load(job.in, 2, row, column, v, cells);
        for (Index j = 0; j < pixels; ++j) blue[j] = red[j] = 0.0f;
        float* of_cell[3] = {cell, cell + pixels, cell + 2 * pixels};
        float** to = job.across == 2 ? of_cell : colour;
        colours(job, u, v, to[0], to[1], to[2], cells);
        for (Index c = 0; job.across == 2 && c < 3; ++c) spread(of_cell[c], colour[c], pixels);
    }

    void walk(Index row) {
        switch (layout) {
            case Layout::constant:
                for (Index c = 0; c < 3; ++c) walk_plane(Constant{steps + c, 3}, c);
                break;
            case Layout::sliced:
                brightest<1>(x[0], x[1], x[2], grid.guide, pixels);
                grid.slice(row);
                walk_all(Sliced{grid.a});
                break;
            case Layout::shared: walk_all(coefficients(row)); break;
            case Layout::of_planes:
                for (Index c = 0; c < 3; ++c) walk_plane(coefficients(row, c), c);
        }
    }

    Interpolated coefficients(Index row, Index c = 0) {
        const float weight = maps.at(row);
        const Index stride = job.curve.steps == 1 ? 0 : job.curve.channels * pixels;
        return {maps.base + c * pixels, maps.slope + c * pixels, weight, stride};
    }

    template <typename A>
    void walk_plane(A of_row, Index c) {
        in_steps(job.curve.iterations, of_row, [&](auto part, A from) {
            walk_row<decltype(part)::steps>(from, bright[c], pixels);
        });
    }

    template <typename A>
    void walk_all(A of_row) {
        in_steps(job.curve.iterations, of_row, [&](auto part, A from) {
            walk_pixels<decltype(part)::steps, 1>(from, bright[0], bright[1], bright[2], pixels);
        });
    }

    void end_cells(Index row, Index column, Index count) {
        add_to_chroma(blue, u, 2.0f * (1.0f - job.blue), count);
        add_to_chroma(red, v, 2.0f * (1.0f - job.red), count);
        store(job.out, 1, row, column, u, cells);
        store(job.out, 2, row, column, v, cells);
    }

    // `cell` is free by now
    void add_to_chroma(const float* sums, float* __restrict chroma, float range, Index rows) {
        const float* of_cells = sums;
        if (job.across == 2) {
            for (Index i = 0; i < cells; ++i) cell[i] = 0.0f;
            add_pairs(sums, cell, pixels);
            of_cells = cell;
        }
        const float factor = 1.0f / (range * static_cast<float>(job.across * rows));
        for (Index i = 0; i < cells; ++i) chroma[i] += factor * of_cells[i];
    }
};

}  // namespace
}  // namespace undim
