// Samples of a YUV frame's planes: into the cache, and rounded out of it, cell by cell. Part of
// video.cpp, compiled once per instruction set.
#pragma once

#include "rows.hpp"
#include "video_job.hpp"

namespace undim {
namespace {

template <typename T>
void load_row(const T* __restrict samples, float origin, float scale, float* __restrict x,
              Index n) {
    const float factor = 1.0f / scale;
    for (Index j = 0; j < n; ++j) x[j] = (static_cast<float>(samples[j]) - origin) * factor;
}

// Thresholds of rounding, an ordered dither (Bayer 1973) of 8 x 8 pixels, repeated along the row
// for wide registers.
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
void store_part(const float* __restrict x, const float* __restrict threshold, float origin,
                float scale, float maximum, T* __restrict samples, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float v = origin + scale * x[j] + threshold[j];
        const float low = v > 0.0f ? v : 0.0f;
        samples[j] = static_cast<T>(static_cast<std::int32_t>(low < maximum ? low : maximum));
    }
}

// Samples x that begin at pixel `left` of row y.
template <typename T>
void store_row(const float* x, Index y, Index left, float origin, float scale, float maximum,
               T* samples, Index n) {
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
    const float origin = plane ? planes.grey : planes.black,
                scale = plane ? planes.chroma : planes.luma;
    const unsigned char* row = row_of(planes, plane, y, x);
    if (planes.wide)
        load_row(reinterpret_cast<const std::uint16_t*>(row), origin, scale, to, n);
    else
        load_row(row, origin, scale, to, n);
}

void store(const Yuv::Planes& planes, int plane, Index y, Index x, const float* from, Index n) {
    const float origin = plane ? planes.grey : planes.black,
                scale = plane ? planes.chroma : planes.luma;
    unsigned char* row = row_of(planes, plane, y, x);
    if (planes.wide)
        store_row(from, y, x, origin, scale, planes.maximum, reinterpret_cast<std::uint16_t*>(row),
                  n);
    else
        store_row(from, y, x, origin, scale, planes.maximum, row, n);
}

// Asks for part of a row before its turn: the rows of a tile lie too far apart for the processor to
// see which is next.
void prefetch(const Yuv::Planes& planes, int plane, Index y, Index x, Index n) {
#ifdef __GNUC__
    const unsigned char* row = row_of(planes, plane, y, x);
    const Index bytes = n * (planes.wide ? 2 : 1);
    for (Index i = 0; i < bytes; i += static_cast<Index>(cache_line)) __builtin_prefetch(row + i);
#else
    (void)planes, (void)plane, (void)y, (void)x, (void)n;
#endif
}

// A tile, one row of cells after the other: their chroma is read, each of their rows of luma
// changed, and what that gathers is added to the chroma.
template <typename Work>
void change_cells(Work& work, const Yuv& job, const Tile& tile) {
    for (Index top = tile.top; top < tile.bottom; top += job.down) {
        const Index bottom = top + job.down < tile.bottom ? top + job.down : tile.bottom;
        const Index row = top / job.down, column = tile.left / job.across;
        for (int plane = 1; plane < 3 && bottom < tile.bottom; ++plane)
            prefetch(job.in, plane, row + 1, column, work.cells);
        work.begin_cells(row, column);
        for (Index y = top; y < bottom; ++y) {
            if (y + job.down < tile.bottom)
                prefetch(job.in, 0, y + job.down, tile.left, work.pixels);
            work.change(y, tile.left);
        }
        work.end_cells(row, column, bottom - top);
    }
}

}  // namespace
}  // namespace undim
