// Samples of a YUV frame's planes: into the cache, and rounded out of it, cell by cell. Part of film.cpp, compiled once per
// instruction set.
#pragma once

#include "film_job.hpp"
#include "rows.hpp"

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

// A tile, one row of cells after the other: their chroma, u and v, is read, each of their rows of luma changed, and what
// that gathers is added to the chroma.
template <typename Work>
void change_cells(Work& work, const Yuv& job, const Tile& tile) {
    for (Index top = tile.top; top < tile.bottom; top += job.down) {
        const Index bottom = top + job.down < tile.bottom ? top + job.down : tile.bottom;
        const Index row = top / job.down, column = tile.left / job.across;
        load(job.in, 1, row, column, work.u, work.cells);
        load(job.in, 2, row, column, work.v, work.cells);
        work.begin_cells();
        for (Index y = top; y < bottom; ++y) work.change(y, tile.left);
        work.change_chroma(bottom - top);
        store(job.out, 1, row, column, work.u, work.cells);
        store(job.out, 2, row, column, work.v, work.cells);
    }
}

}  // namespace
}  // namespace undim
