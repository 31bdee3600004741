// The curve on a tile of a YUV frame. Part of film.cpp, compiled once per instruction set.
#pragma once

#include "cells.hpp"
#include "curves.hpp"
#include "film_job.hpp"

namespace undim {
namespace {

template <typename T>
void load_row(const T* __restrict samples, float origin, float scale, float* __restrict x, Index n) {
    const float factor = 1.0f / scale;
    for (Index j = 0; j < n; ++j) x[j] = (static_cast<float>(samples[j]) - origin) * factor;
}

// Thresholds of rounding, an ordered dither (Bayer 1973) of 8 x 8 pixels, repeated along the row for wide registers.
struct Thresholds {
    static constexpr int period = 8, length = 64;
    float rows[period][length];

    constexpr Thresholds() : rows() {
        for (int y = 0; y < period; ++y)
            for (int x = 0; x < length; ++x) {
                int rank = 0;
                for (int bit = 0; bit < 3; ++bit)
                    rank |= ((x ^ y) >> bit & 1) << (5 - 2 * bit) | (y >> bit & 1) << (4 - 2 * bit);
                rows[y][x] = (static_cast<float>(rank) + 0.5f) / 64.0f;
            }
    }
};
constexpr Thresholds thresholds;

template <typename T>
void store_part(const float* __restrict x, const float* __restrict threshold, float origin, float scale, float maximum,
                T* __restrict samples, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float v = origin + scale * x[j] + threshold[j];
        const float low = v > 0.0f ? v : 0.0f;
        samples[j] = static_cast<T>(static_cast<std::int32_t>(low < maximum ? low : maximum));
    }
}

// Samples x that begin at pixel `left` of row y.
template <typename T>
void store_row(const float* x, Index y, Index left, float origin, float scale, float maximum, T* samples, Index n) {
    const float* row = thresholds.rows[y % Thresholds::period];
    for (Index j = 0; j < n;) {
        const Index phase = (left + j) % Thresholds::length, room = Thresholds::length - phase;
        const Index part = n - j < room ? n - j : room;
        store_part(x + j, row + phase, origin, scale, maximum, samples + j, part);
        j += part;
    }
}

unsigned char* row_of(const Yuv::Planes& planes, int plane, Index y, Index x) {
    return planes.data[plane] + y * planes.stride[plane] + x * (planes.wide ? 2 : 1);
}

void load(const Yuv::Planes& planes, int plane, Index y, Index x, float* to, Index n) {
    const float origin = plane ? planes.grey : planes.black, scale = plane ? planes.chroma : planes.luma;
    const unsigned char* row = row_of(planes, plane, y, x);
    if (planes.wide)
        load_row(reinterpret_cast<const std::uint16_t*>(row), origin, scale, to, n);
    else
        load_row(row, origin, scale, to, n);
}

void store(const Yuv::Planes& planes, int plane, Index y, Index x, const float* from, Index n) {
    const float origin = plane ? planes.grey : planes.black, scale = plane ? planes.chroma : planes.luma;
    unsigned char* row = row_of(planes, plane, y, x);
    if (planes.wide)
        store_row(from, y, x, origin, scale, planes.maximum, reinterpret_cast<std::uint16_t*>(row), n);
    else
        store_row(from, y, x, origin, scale, planes.maximum, row, n);
}

// Per pixel, what U and V add to the brightness to give R, G and B.
void colours(const Yuv& job, const float* __restrict u, const float* __restrict v, float* __restrict r,
             float* __restrict g, float* __restrict b, Index cells) {
    const float blue = 2.0f * (1.0f - job.blue), red = 2.0f * (1.0f - job.red), green = 1.0f - job.red - job.blue;
    const float green_u = -blue * job.blue / green, green_v = -red * job.red / green;
    for (Index i = 0; i < cells; ++i) {
        r[i] = red * v[i];
        g[i] = green_u * u[i] + green_v * v[i];
        b[i] = blue * u[i];
    }
}

void clipped_sum(const float* __restrict y, const float* __restrict colour, float* __restrict x, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float v = y[j] + colour[j];
        const float low = v > 0.0f ? v : 0.0f;
        x[j] = low < 1.0f ? low : 1.0f;
    }
}

// d = curve(x) - x for a curve that is the same for all; step k has a[3 k].
void walked(const float* a, Index iterations, const float* __restrict x, float* __restrict d, Index n) {
    for (Index j = 0; j < n; ++j) d[j] = x[j];
    for (Index k = 0; k < iterations; ++k) {
        const float step = a[3 * k];
        for (Index j = 0; j < n; ++j) d[j] += step * (d[j] - d[j] * d[j]);
    }
    for (Index j = 0; j < n; ++j) d[j] -= x[j];
}

// y moves by the brightness of the change d; blue and red gather what is left of it, d_b - d_y and d_r - d_y.
void change_luma(const Yuv& job, const float* __restrict dr, const float* __restrict dg, const float* __restrict db,
                 float* __restrict y, float* __restrict blue, float* __restrict red, Index n) {
    const float weight_r = job.red, weight_b = job.blue, weight_g = 1.0f - weight_r - weight_b;
    for (Index j = 0; j < n; ++j) {
        const float change = weight_r * dr[j] + weight_g * dg[j] + weight_b * db[j];
        y[j] += change;
        blue[j] += db[j] - change;
        red[j] += dr[j] - change;
    }
}

// One tile: the change d = curve(x) - x of each of R, G and B is added to Y and, averaged over a chroma sample's cell
// of pixels, to U and V. What lies outside of [0, 1] is moved like its nearest colour inside.
struct Brightening {
    const Yuv& job;
    Index pixels, cells;
    bool constant;             // the maps are, over the picture
    float *u, *v;              // of a row of cells
    float *cell, *colour[3];   // what U and V add: of cells, of pixels
    float *y, *x[3], *d[3];
    float *blue, *red;         // sums over the cells' pixels of d_b - d_y and d_r - d_y
    float* steps;              // constant maps: (iterations, 3)
    float* interleaved;
    Curves curves;

    Brightening(const Yuv& j, Index n, Arena& arena)
        : job(j),
          pixels(n),
          cells((n + j.across - 1) / j.across),
          constant(j.curve.map_height == 1 && j.curve.map_width == 1),
          u(arena.take<float>(n)),
          v(arena.take<float>(n)),
          cell(arena.take<float>(3 * n)),
          colour{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          y(arena.take<float>(n)),
          x{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          d{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          blue(arena.take<float>(n)),
          red(arena.take<float>(n)),
          steps(arena.take<float>(3 * j.curve.iterations)),
          interleaved(arena.take<float>(constant ? 0 : 3 * n)),
          curves(j.curve, constant ? 0 : n, arena) {}

    void run(const Tile& tile) {
        for (Index k = 0; constant && k < job.curve.iterations; ++k)
            for (Index c = 0; c < 3; ++c) {
                const Index step = job.curve.steps == 1 ? 0 : k, channel = job.curve.map_channels == 3 ? c : 0;
                steps[3 * k + c] = job.curve.maps[step * job.curve.map_channels + channel];
            }
        if (!constant) curves.start_at(tile.left);
        for (Index top = tile.top; top < tile.bottom; top += job.down) {
            const Index bottom = top + job.down < tile.bottom ? top + job.down : tile.bottom;
            const Index cell_row = top / job.down, cell_column = tile.left / job.across;
            load(job.in, 1, cell_row, cell_column, u, cells);
            load(job.in, 2, cell_row, cell_column, v, cells);
            read_colours();
            for (Index j = 0; j < pixels; ++j) blue[j] = red[j] = 0.0f;
            for (Index row = top; row < bottom; ++row) {
                load(job.in, 0, row, tile.left, y, pixels);
                for (Index c = 0; c < 3; ++c) clipped_sum(y, colour[c], x[c], pixels);
                constant ? walk_constant() : walk(row);
                change_luma(job, d[0], d[1], d[2], y, blue, red, pixels);
                store(job.out, 0, row, tile.left, y, pixels);
            }
            change_chroma(blue, u, 2.0f * (1.0f - job.blue), bottom - top);
            change_chroma(red, v, 2.0f * (1.0f - job.red), bottom - top);
            store(job.out, 1, cell_row, cell_column, u, cells);
            store(job.out, 2, cell_row, cell_column, v, cells);
        }
    }

    void read_colours() {
        float* of_cell[3] = {cell, cell + pixels, cell + 2 * pixels};
        float** to = job.across == 2 ? of_cell : colour;
        colours(job, u, v, to[0], to[1], to[2], cells);
        for (Index c = 0; job.across == 2 && c < 3; ++c) spread(of_cell[c], colour[c], pixels);
    }

    void walk_constant() {
        for (Index c = 0; c < 3; ++c) walked(steps + c, job.curve.iterations, x[c], d[c], pixels);
    }

    void walk(Index row) {
        for (Index c = 0; c < 3; ++c)
            for (Index j = 0; j < pixels; ++j) interleaved[3 * j + c] = x[c][j];
        curves.walk(row, interleaved);
        for (Index c = 0; c < 3; ++c)
            for (Index j = 0; j < pixels; ++j) d[c][j] = interleaved[3 * j + c] - x[c][j];
    }

    // sums and chroma are those of (blue, u) or (red, v); `cell` is free by now
    void change_chroma(const float* sums, float* __restrict chroma, float range, Index rows) {
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

void brighten(const Yuv& job, const Tile& tile, unsigned char* scratch) {
    Arena arena{scratch};
    Brightening(job, tile.right - tile.left, arena).run(tile);
}

std::size_t brighten_scratch(const Yuv& job, const Tile& tile) {
    Arena arena{nullptr};
    Brightening(job, tile.right - tile.left, arena);
    return arena.used;
}

}  // namespace
}  // namespace undim
