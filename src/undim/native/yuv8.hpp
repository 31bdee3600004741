// The curve on a tile of a YUV frame of 8 bits, in integers: sixteen to a register where eight floats would be. Part of
// film.cpp, compiled once per instruction set.
#pragma once

#include "cells.hpp"
#include "curves.hpp"
#include "film_job.hpp"
#include "planes.hpp"

namespace undim {
namespace {

using Word = std::uint16_t;   // R, G, B and t = x (1 - x) in units of 2^-16
using Signed = std::int16_t;  // a and what the curve adds in units of 2^-15, luma in units of 2^-7 levels

Signed signed_unit(float x) { return static_cast<Signed>(32767.0f * x); }

// A product in units of 2^-15, rounded.
Signed times(Signed a, Signed b) {
    return static_cast<Signed>(((static_cast<std::int32_t>(a) * b >> 14) + 1) >> 1);
}

Word high_half(Word a, Word b) { return static_cast<Word>((static_cast<std::uint32_t>(a) * b) >> 16); }

Word clamped(Word x, Word low, Word high) {
    const Word raised = x > low ? x : low;
    return raised < high ? raised : high;
}

Word step(Word x, Signed a) {
    const auto t = static_cast<Signed>(high_half(x, static_cast<Word>(-x)));
    return static_cast<Word>(x + times(a, t));
}

// The thresholds of rounding in units of luma.
struct Thresholds8 {
    Signed rows[Thresholds::period][tile_width];

    constexpr Thresholds8() : rows() {
        for (Index y = 0; y < Thresholds::period; ++y)
            for (Index x = 0; x < tile_width; ++x)
                rows[y][x] = static_cast<Signed>(128.0f * thresholds.rows[y][x % Thresholds::length]);
    }
};
constexpr Thresholds8 thresholds8;

// Rows of a tile. What a colour adds to luma is `more` - `less`, the latter with black. The coefficients of an image row
// are middle + weight * half, weight from -1 to 1; one set for all planes, or for each.
struct Rows8 {
    Word luma[tile_width];
    Word more[3][tile_width], less[3][tile_width];
    Signed middle[8][3][tile_width], half[8][3][tile_width];
    Signed blue[tile_width], red[tile_width];  // sums over the cells' pixels of d_b - d_y and d_r - d_y, units of 2^-13
};

enum class Maps { constant, shared, of_planes };

struct Scales {
    Signed red, green, blue;  // weights of the matrix
    Signed luma;              // a change of 1 in luma
    Word white;               // luma of white above that of black
    Word stretch;             // what a colour times two lacks of its unit, as a share in units of 2^-16
};

Word sample(Word y, Word more, Word less, const Scales& scales) {
    const auto sum = static_cast<Word>(y + more);
    const auto above = static_cast<Word>((sum > less ? sum : less) - less);
    const auto twice = static_cast<Word>(2 * (above < scales.white ? above : scales.white));
    const Word lost = twice < 1 ? twice : 1;
    return static_cast<Word>(twice + high_half(twice, scales.stretch) + lost);
}

// Samples of 8 bits or, averaged over time, in 256ths of a level.
template <typename T>
void read_luma(const T* __restrict samples, Word* __restrict luma, Index n) {
    for (Index j = 0; j < n; ++j) luma[j] = static_cast<Word>(sizeof(T) == 1 ? samples[j] << 7 : samples[j] >> 1);
}

// One row: d = curve(x) - x of R, G and B, clipped, moves luma. R, G and B take their steps in turn, for each step waits
// for the one before it.
template <Maps maps>
void change_row(const Scales& scales, Signed weight, const Signed* __restrict threshold, Rows8& __restrict rows,
                std::uint8_t* __restrict out, Index n) {
    constexpr Word zero = 1 << 14;  // on which luma stands, so that what is darker does not wrap around
    constexpr Word highest = zero + (1 << 15) - 1;
    const Scales s = scales;
    for (Index j = 0; j < n; ++j) {
        const Word y = rows.luma[j];
        const Word r = sample(y, rows.more[0][j], rows.less[0][j], s);
        const Word g = sample(y, rows.more[1][j], rows.less[1][j], s);
        const Word b = sample(y, rows.more[2][j], rows.less[2][j], s);
        Word bright[3] = {r, g, b};
        for (Index k = 0; k < 8; ++k)
            for (Index c = 0; c < 3; ++c) {
                const Index plane = maps == Maps::shared ? 0 : c, i = maps == Maps::constant ? 0 : j;
                const Signed more = maps == Maps::constant ? Signed(0) : times(weight, rows.half[k][plane][i]);
                bright[c] = step(bright[c], static_cast<Signed>(rows.middle[k][plane][i] + more));
            }
        const auto dr = static_cast<Signed>((bright[0] >> 1) - (r >> 1));
        const auto dg = static_cast<Signed>((bright[1] >> 1) - (g >> 1));
        const auto db = static_cast<Signed>((bright[2] >> 1) - (b >> 1));
        const auto change = static_cast<Signed>(times(s.red, dr) + times(s.green, dg) + times(s.blue, db));
        const auto level = static_cast<Word>(zero + y + times(s.luma, change) + threshold[j]);
        out[j] = static_cast<std::uint8_t>((clamped(level, zero, highest) - zero) >> 7);
        rows.blue[j] = static_cast<Signed>(rows.blue[j] + (db >> 2) - (change >> 2));
        rows.red[j] = static_cast<Signed>(rows.red[j] + (dr >> 2) - (change >> 2));
    }
}

// What a colour adds to luma, per cell.
void split(const float* __restrict colour, float luma, Signed black, Word* __restrict more, Word* __restrict less,
           Index cells) {
    for (Index i = 0; i < cells; ++i) {
        const auto shift = static_cast<Signed>(static_cast<std::int32_t>(colour[i] * luma));
        more[i] = static_cast<Word>(shift > 0 ? shift : 0);
        less[i] = static_cast<Word>((shift < 0 ? -shift : 0) + black);
    }
}

void split_coefficients(const float* __restrict base, const float* __restrict slope, Signed* __restrict middle,
                        Signed* __restrict half, Index n) {
    for (Index j = 0; j < n; ++j) {
        middle[j] = signed_unit(base[j] + 0.5f * slope[j]);
        half[j] = signed_unit(0.5f * slope[j]);
    }
}

// chroma += factor * the sum over each cell's pixels; a last one without a partner counts twice.
void add_to_cells(const Signed* __restrict sums, Index across, float factor, float* __restrict chroma, Index n) {
    if (across == 1) {
        for (Index i = 0; i < n; ++i) chroma[i] += factor * static_cast<float>(static_cast<std::int32_t>(sums[i]));
        return;
    }
    for (Index i = 0; i < n / 2; ++i) chroma[i] += factor * static_cast<float>(sums[2 * i] + sums[2 * i + 1]);
    if (n % 2) chroma[n / 2] += factor * static_cast<float>(2 * sums[n - 1]);
}

// As Brightening, where 8 bits come out after 8 steps. Where steps of a = 1 spread shadows 256 times, or of a = -1 lights,
// integers are off by up to four levels; a level of the frame becomes a hundred there. Steps that share their maps have a
// copy each.
struct Brightening8 {
    const Yuv& job;
    Index pixels, cells;
    Maps kind;
    Scales scales;
    float *u, *v, *colour[3];  // of a row of cells
    Word *more, *less;
    Rows8* rows;
    Coefficients<1> maps;
    Index map_row = -1;  // the one that rows hold

    Brightening8(const Yuv& j, Index n, Arena& arena)
        : job(j),
          pixels(n),
          cells((n + j.across - 1) / j.across),
          kind(j.curve.map_height * j.curve.map_width == 1 ? Maps::constant
               : j.curve.map_channels == 1                 ? Maps::shared
                                                           : Maps::of_planes),
          scales{share(j.red),
                 static_cast<Signed>((1 << 15) - share(j.red) - share(j.blue)),
                 share(j.blue),
                 static_cast<Signed>(128.0f * j.out.luma),
                 static_cast<Word>(128.0f * j.out.luma),
                 static_cast<Word>(256.0f * 65534.0f / j.out.luma - 65536.0f)},
          u(arena.take<float>(n)),
          v(arena.take<float>(n)),
          colour{arena.take<float>(n), arena.take<float>(n), arena.take<float>(n)},
          more(arena.take<Word>(n)),
          less(arena.take<Word>(n)),
          rows(arena.take<Rows8>(1)),
          maps(j.curve, kind == Maps::constant ? 0 : n, arena) {}

    static Signed share(float x) { return static_cast<Signed>(32768.0f * x + 0.5f); }

    void run(const Tile& tile) {
        if (kind == Maps::constant)
            read_constants();
        else
            maps.start_at(tile.left);
        change_cells(*this, job, tile);
    }

    void begin_cells() {
        for (Index j = 0; j < pixels; ++j) rows->blue[j] = rows->red[j] = 0;
        const float luma = 128.0f * job.out.luma;
        const auto black = static_cast<Signed>(128.0f * job.out.black);
        colours(job, u, v, colour[0], colour[1], colour[2], cells);
        for (Index c = 0; c < 3; ++c) {
            if (job.across == 1) {
                split(colour[c], luma, black, rows->more[c], rows->less[c], cells);
                continue;
            }
            split(colour[c], luma, black, more, less, cells);
            spread(more, rows->more[c], pixels);
            spread(less, rows->less[c], pixels);
        }
    }

    void read_constants() {
        const Index channels = job.curve.map_channels;
        for (Index k = 0; k < 8; ++k)
            for (Index c = 0; c < 3; ++c) {
                const Index step = job.curve.steps == 1 ? 0 : k, channel = channels == 3 ? c : 0;
                rows->middle[k][c][0] = signed_unit(job.curve.maps[step * channels + channel]);
            }
    }

    // Returns the weight of half in image row y.
    Signed read_coefficients(Index y) {
        const float weight = maps.at(y);
        if (maps.map_row != map_row) {
            map_row = maps.map_row;
            const Index channels = job.curve.map_channels;
            for (Index k = 0; k < 8; ++k)
                for (Index c = 0; c < channels; ++c) {
                    const Index from = ((job.curve.steps == 1 ? 0 : k) * channels + c) * pixels;
                    split_coefficients(maps.base + from, maps.slope + from, rows->middle[k][c], rows->half[k][c], pixels);
                }
        }
        return signed_unit(2.0f * weight - 1.0f);
    }

    void change(Index row, Index left) {
        const unsigned char* in = row_of(job.in, 0, row, left);
        if (job.in.wide)
            read_luma(reinterpret_cast<const std::uint16_t*>(in), rows->luma, pixels);
        else
            read_luma(in, rows->luma, pixels);
        unsigned char* out = row_of(job.out, 0, row, left);
        const Signed* threshold = thresholds8.rows[row % Thresholds::period];
        if (kind == Maps::constant) return change_row<Maps::constant>(scales, 0, threshold, *rows, out, pixels);
        const Signed weight = read_coefficients(row);
        if (kind == Maps::shared)
            change_row<Maps::shared>(scales, weight, threshold, *rows, out, pixels);
        else
            change_row<Maps::of_planes>(scales, weight, threshold, *rows, out, pixels);
    }

    void change_chroma(Index count) {
        const float of_pixel = 0x1p-13f / static_cast<float>(job.across * count);
        add_to_cells(rows->blue, job.across, of_pixel / (2.0f * (1.0f - job.blue)), u, pixels);
        add_to_cells(rows->red, job.across, of_pixel / (2.0f * (1.0f - job.red)), v, pixels);
    }
};

}  // namespace
}  // namespace undim
