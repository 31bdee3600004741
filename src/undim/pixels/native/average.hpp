// One step of the average over time on rows of cells. Part of video.cpp, compiled once per
// instruction set.
#pragma once

#include "cells.hpp"
#include "video_job.hpp"

namespace undim {
namespace {

using Sum = std::int32_t;

template <typename T>
void widen(const unsigned char* samples, std::ptrdiff_t step, int shift,
           std::uint16_t* __restrict x, Index n) {
    if (step == sizeof(T)) {
        const T* __restrict in = reinterpret_cast<const T*>(samples);
        for (Index j = 0; j < n; ++j) x[j] = static_cast<std::uint16_t>(in[j] << shift);
    } else {
        for (Index j = 0; j < n; ++j)
            x[j] = static_cast<std::uint16_t>(*reinterpret_cast<const T*>(samples + j * step)
                                              << shift);
    }
}

// size += |d|, shift += d for d = x - average.
void add_differences(const std::uint16_t* __restrict x, const std::uint16_t* __restrict average,
                     Sum* __restrict size, Sum* __restrict shift, Index n) {
    for (Index j = 0; j < n; ++j) {
        const Sum d = static_cast<Sum>(x[j]) - static_cast<Sum>(average[j]);
        size[j] += d < 0 ? -d : d;
        shift[j] += d;
    }
}

// Sums over 2 reach + 1 cells along a row whose ends are repeated; `padded` has room for n + 2
// reach.
void sum_across(const Sum* __restrict row, Sum* __restrict padded, Sum* __restrict sums, Index n,
                Index reach) {
    for (Index i = 0; i < reach; ++i) {
        padded[i] = row[0];
        padded[reach + n + i] = row[n - 1];
    }
    for (Index i = 0; i < n; ++i) padded[reach + i] = row[i];
    for (Index i = 0; i < n; ++i) sums[i] = padded[i] + padded[i + 1];
    for (Index k = 2; k <= 2 * reach; ++k)
        for (Index i = 0; i < n; ++i) sums[i] += padded[i + k];
}

// total is the sum over the last rows: one comes, the oldest goes and is replaced.
void slide(Sum* __restrict total, const Sum* __restrict fresh, Sum* __restrict oldest, Index n) {
    for (Index i = 0; i < n; ++i) {
        total[i] += fresh[i] - oldest[i];
        oldest[i] = fresh[i];
    }
}

// n <- min(n + 1, frames) at rest, else 1: where the sum of |d| is above its limit, or the sum of d
// is above both its own limit and its share of |d|. The limits grow by sqrt(1 + 1/n); all is
// compared in squares.
void decide(const Average& job, const Sum* __restrict size, const Sum* __restrict shift,
            const std::uint8_t* __restrict count, std::uint8_t* __restrict next,
            float* __restrict inverse) {
    const float size_square = job.size_limit * job.size_limit;
    const float shift_square = job.shift_limit * job.shift_limit;
    const float share_square = job.shift_share * job.shift_share;
    const float most = static_cast<float>(job.frames);
    for (Index i = 0; i < job.columns; ++i) {
        const float n = static_cast<float>(static_cast<std::int32_t>(count[i]));
        const float noise = 1.0f + 1.0f / n;
        const float a = static_cast<float>(size[i]), b = static_cast<float>(shift[i]);
        const float more = n + 1.0f < most ? n + 1.0f : most;
        const float at_rest = a * a > size_square * noise ? 1.0f : more;
        const float known = shift_square * noise, found = share_square * a * a;
        const float m = b * b > (known > found ? known : found) ? 1.0f : at_rest;
        next[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(m));
        inverse[i] = 1.0f / m;
    }
}

void update(const std::uint16_t* __restrict x, const std::uint16_t* __restrict average,
            const float* __restrict share, std::uint16_t* __restrict out, Index n) {
    for (Index j = 0; j < n; ++j) {
        const float a = static_cast<float>(static_cast<Sum>(average[j]));
        const float d = static_cast<float>(static_cast<Sum>(x[j]) - static_cast<Sum>(average[j]));
        out[j] = static_cast<std::uint16_t>(static_cast<Sum>(a + d * share[j] + 0.5f));
    }
}

struct Averaging {
    const Average& job;
    Index widest, window;           // samples in the widest row; rows of cells in the window
    Sum *sizes, *shifts;            // the last `window` rows of cells, summed across
    Sum *size_total, *shift_total;  // over the window
    Sum *size, *shift, *fresh, *padded;
    Sum *pixel_size, *pixel_shift;  // of one row of samples
    std::uint16_t* x;
    float *inverse, *spread_inverse;  // 1 / n, of cells and of samples

    Averaging(const Average& j, Arena& arena)
        : job(j),
          widest(j.planes[0].width),
          window(2 * j.reach_down + 1),
          sizes(arena.take<Sum>(window * j.columns)),
          shifts(arena.take<Sum>(window * j.columns)),
          size_total(arena.take<Sum>(j.columns)),
          shift_total(arena.take<Sum>(j.columns)),
          size(arena.take<Sum>(j.columns)),
          shift(arena.take<Sum>(j.columns)),
          fresh(arena.take<Sum>(j.columns)),
          padded(arena.take<Sum>(j.columns + 2 * max_reach)),
          pixel_size(arena.take<Sum>(widest)),
          pixel_shift(arena.take<Sum>(widest)),
          x(arena.take<std::uint16_t>(widest)),
          inverse(arena.take<float>(j.columns)),
          spread_inverse(arena.take<float>(widest)) {}

    void run(Index top, Index bottom) {
        for (Index i = 0; i < window * job.columns; ++i) sizes[i] = shifts[i] = 0;
        for (Index i = 0; i < job.columns; ++i) size_total[i] = shift_total[i] = 0;
        for (Index i = top - job.reach_down; i < bottom + job.reach_down; ++i) {
            const Index inside = i < 0 ? 0 : i < job.rows ? i : job.rows - 1;
            add_row(inside, (i - top + job.reach_down) % window * job.columns);
            const Index middle = i - job.reach_down;
            if (middle < top) continue;
            decide(job, size_total, shift_total, job.count + middle * job.columns,
                   job.next_count + middle * job.columns, inverse);
            for (const auto& plane : job.planes) update_plane(plane, middle);
        }
    }

    void add_row(Index row, Index slot) {
        for (Index i = 0; i < job.columns; ++i) size[i] = shift[i] = 0;
        for (const auto& plane : job.planes) {
            Sum* to_size = plane.across == 2 ? pixel_size : size;
            Sum* to_shift = plane.across == 2 ? pixel_shift : shift;
            for (Index j = 0; plane.across == 2 && j < plane.width; ++j)
                pixel_size[j] = pixel_shift[j] = 0;
            for (Index k = 0; k < plane.down; ++k) {
                const Index y = plane.down * row + k;
                const Index inside = y < plane.height ? y : plane.height - 1;
                load(plane, inside);
                add_differences(x, plane.before + inside * plane.width, to_size, to_shift,
                                plane.width);
            }
            if (plane.across == 2) {
                add_pairs(pixel_size, size, plane.width);
                add_pairs(pixel_shift, shift, plane.width);
            }
        }
        sum_across(size, padded, fresh, job.columns, job.reach_across);
        slide(size_total, fresh, sizes + slot, job.columns);
        sum_across(shift, padded, fresh, job.columns, job.reach_across);
        slide(shift_total, fresh, shifts + slot, job.columns);
    }

    void update_plane(const Average::Plane& plane, Index row) {
        const float* share = inverse;
        if (plane.across == 2) {
            spread(inverse, spread_inverse, plane.width);
            share = spread_inverse;
        }
        for (Index y = plane.down * row; y < plane.down * (row + 1) && y < plane.height; ++y) {
            load(plane, y);
            update(x, plane.before + y * plane.width, share, plane.after + y * plane.width,
                   plane.width);
        }
    }

    void load(const Average::Plane& plane, Index y) {
        const unsigned char* row = plane.frame + y * plane.row;
        if (job.wide)
            widen<std::uint16_t>(row, plane.pixel, job.shift, x, plane.width);
        else
            widen<std::uint8_t>(row, plane.pixel, job.shift, x, plane.width);
    }
};

void average(const Average& job, Index top, Index bottom, unsigned char* scratch) {
    Arena arena{scratch};
    Averaging(job, arena).run(top, bottom);
}

std::size_t average_scratch(const Average& job) {
    Arena arena{nullptr};
    Averaging measured(job, arena);
    return arena.used;
}

}  // namespace
}  // namespace undim
