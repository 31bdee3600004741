// The curve on a tile of a YUV frame of 8 bits, in integers: twice as many to a register as floats.
// Part of video.cpp, compiled once per instruction set from AVX2 on.
#pragma once

#include "cells.hpp"
#include "curves.hpp"
#include "planes.hpp"
#include "video_job.hpp"
#include "yuv.hpp"

namespace undim {
namespace {

using Word = std::uint16_t;   // R, G, B and t = x (1 - x) in units of 2^-16
using Signed = std::int16_t;  // a and what the curve adds in units of 2^-15, luma and chroma in
                              // units of 2^-7 levels

Signed signed_unit(float x) {
    return static_cast<Signed>(32767.0f * x);
}

// A product in units of 2^-15, rounded.
Signed times(Signed a, Signed b) {
    return static_cast<Signed>(((static_cast<std::int32_t>(a) * b >> 14) + 1) >> 1);
}

Word high_half(Word a, Word b) {
    return static_cast<Word>((static_cast<std::uint32_t>(a) * b) >> 16);
}

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
                rows[y][x] =
                    static_cast<Signed>(128.0f * thresholds.rows[y][x % Thresholds::length]);
    }
};
constexpr Thresholds8 thresholds8;

// Rows of a tile. What a colour adds to luma is `more` - `less`, the latter with black. The
// coefficients of an image row are middle + weight * half, weight from -1 to 1; one set for all
// planes, or for each.
struct Rows8 {
    Word luma[tile_width];
    Word more[3][tile_width], less[3][tile_width];
    Signed middle[8][3][tile_width], half[8][3][tile_width];
    Signed sliced[tile_width];  // or a of each pixel, for all steps and channels
    Signed blue[tile_width],
        red[tile_width];  // sums over a cell's rows of d_b - d_y and d_r - d_y, in units of 2^-13
    Word cell_more[3][tile_width], cell_less[3][tile_width];  // as above, of cells
    Signed u[tile_width], v[tile_width],
        mean[tile_width];  // of cells: chroma above grey, what is added to it
};

struct Scales {
    Signed red, green, blue;  // weights of the matrix
    Word white;               // luma of white above that of black
    Word stretch;       // what a colour times two lacks of its unit, as a share in units of 2^-16
    Signed u[3], v[3];  // what chroma adds to R, G and B; of U to B and of V to R, what exceeds 1
    Signed blue_in_u, red_in_v;  // a mean d_b - d_y or d_r - d_y of 1 in chroma
};

Scales scales_of(const Yuv& job) {
    const float luma = job.out.luma, chroma = job.out.chroma, red = 2.0f * (1.0f - job.red),
                blue = 2.0f * (1.0f - job.blue);
    const float of_green = 1.0f - job.red - job.blue;
    const auto share = [](float x) {
        return static_cast<Signed>(32768.0f * x + (x < 0.0f ? -0.5f : 0.5f));
    };
    const float unit = luma / chroma;  // the levels of luma to a level of chroma
    Scales s{};
    s.red = share(job.red);
    s.blue = share(job.blue);
    s.green = static_cast<Signed>((1 << 15) - s.red - s.blue);
    s.white = static_cast<Word>(128.0f * luma);
    s.stretch = static_cast<Word>(256.0f * 65534.0f / luma - 65536.0f);
    s.v[0] = share(unit * red - 1.0f);
    s.u[1] = share(-unit * blue * job.blue / of_green);
    s.v[1] = share(-unit * red * job.red / of_green);
    s.u[2] = share(unit * blue - 1.0f);
    s.blue_in_u = static_cast<Signed>(128.0f * chroma / blue);
    s.red_in_v = static_cast<Signed>(128.0f * chroma / red);
    return s;
}

// What luma of a colour is above black.
Word above_black(Word y, Word more, Word less) {
    const auto sum = static_cast<Word>(y + more);
    return static_cast<Word>((sum > less ? sum : less) - less);
}

// A colour, clipped to black and white, in units of 2^-16.
Word stretched(Word above, const Scales& scales) {
    const auto twice = static_cast<Word>(2 * (above < scales.white ? above : scales.white));
    const Word lost = twice < 1 ? twice : 1;
    return static_cast<Word>(twice + high_half(twice, scales.stretch) + lost);
}

// Samples of 8 bits or, averaged over time, in 256ths of a level.
template <typename T>
void read_row(const T* __restrict samples, Word* __restrict luma, Index n) {
    for (Index j = 0; j < n; ++j)
        luma[j] = static_cast<Word>(sizeof(T) == 1 ? samples[j] << 7 : samples[j] >> 1);
}

void read(const Yuv::Planes& planes, int plane, Index y, Index x, Word* to, Index n) {
    const unsigned char* row = row_of(planes, plane, y, x);
    if (planes.wide)
        read_row(reinterpret_cast<const std::uint16_t*>(row), to, n);
    else
        read_row(row, to, n);
}

// The guide of each pixel, which chooses among the levels: the largest of R, G and B, in [0, 1].
void brightest_of(const Scales& scales, const Rows8& __restrict rows, float* __restrict guide,
                  Index n) {
    const Scales s = scales;
    for (Index j = 0; j < n; ++j) {
        const Word r = above_black(rows.luma[j], rows.more[0][j], rows.less[0][j]);
        const Word g = above_black(rows.luma[j], rows.more[1][j], rows.less[1][j]);
        const Word b = above_black(rows.luma[j], rows.more[2][j], rows.less[2][j]);
        const Word most = r > g ? r : g;
        guide[j] = static_cast<float>(stretched(most > b ? most : b, s)) * (1.0f / 65535.0f);
    }
}

void to_signed(const float* __restrict a, Signed* __restrict to, Index n) {
    for (Index j = 0; j < n; ++j) to[j] = signed_unit(a[j]);
}

// a of step k and channel c at pixel j.
template <Maps maps>
Signed coefficient(const Rows8& rows, Signed weight, Index k, Index c, Index j) {
    if (maps == Maps::sliced) return rows.sliced[j];
    if (maps == Maps::constant) return rows.middle[k][c][0];
    const Index plane = maps == Maps::shared ? 0 : c;
    return static_cast<Signed>(rows.middle[k][plane][j] + times(weight, rows.half[k][plane][j]));
}

// One row: d = curve(x) - x of R, G and B, clipped, moves luma. R, G and B take their steps in
// turn, for each step waits for the one before it.
template <Maps maps>
void change_row(const Scales& scales, Signed weight, const Signed* __restrict threshold,
                Rows8& __restrict rows, std::uint8_t* __restrict out, Index n) {
    constexpr Word zero =
        1 << 14;  // on which luma stands, so that what is darker does not wrap around
    constexpr Word highest = zero + (1 << 15) - 1;
    const Scales s = scales;
    for (Index j = 0; j < n; ++j) {
        const Word y = rows.luma[j];
        const Word r = stretched(above_black(y, rows.more[0][j], rows.less[0][j]), s);
        const Word g = stretched(above_black(y, rows.more[1][j], rows.less[1][j]), s);
        const Word b = stretched(above_black(y, rows.more[2][j], rows.less[2][j]), s);
        Word bright[3] = {r, g, b};
#pragma GCC unroll 8
        for (Index k = 0; k < 8; ++k)
#pragma GCC unroll 3
            for (Index c = 0; c < 3; ++c)
                bright[c] = step(bright[c], coefficient<maps>(rows, weight, k, c, j));
        const auto dr = static_cast<Signed>((bright[0] >> 1) - (r >> 1));
        const auto dg = static_cast<Signed>((bright[1] >> 1) - (g >> 1));
        const auto db = static_cast<Signed>((bright[2] >> 1) - (b >> 1));
        const auto change =
            static_cast<Signed>(times(s.red, dr) + times(s.green, dg) + times(s.blue, db));
        const auto level = static_cast<Word>(
            zero + y + times(static_cast<Signed>(s.white), change) + threshold[j]);
        out[j] = static_cast<std::uint8_t>((clamped(level, zero, highest) - zero) >> 7);
        rows.blue[j] = static_cast<Signed>(rows.blue[j] + (db >> 2) - (change >> 2));
        rows.red[j] = static_cast<Signed>(rows.red[j] + (dr >> 2) - (change >> 2));
    }
}

// What the chroma of a cell adds to luma: U and V, each not at all (0) or whole (1), and shares of
// them.
void split(const Signed* __restrict u, const Signed* __restrict v, Signed whole_u, Signed whole_v,
           Signed of_u, Signed of_v, Signed black, Word* __restrict more, Word* __restrict less,
           Index cells) {
    for (Index i = 0; i < cells; ++i) {
        const auto shift = static_cast<Signed>(whole_u * u[i] + whole_v * v[i] + times(of_u, u[i]) +
                                               times(of_v, v[i]));
        more[i] = static_cast<Word>(shift > 0 ? shift : 0);
        less[i] = static_cast<Word>((shift < 0 ? -shift : 0) + black);
    }
}

void split_coefficients(const float* __restrict base, const float* __restrict slope,
                        Signed* __restrict middle, Signed* __restrict half, Index n) {
    for (Index j = 0; j < n; ++j) {
        middle[j] = signed_unit(base[j] + 0.5f * slope[j]);
        half[j] = signed_unit(0.5f * slope[j]);
    }
}

// Means over pairs of pixels, rounded up as often as down; a last one without a partner is its own.
void mean_of_pairs(const Signed* __restrict pixels, Signed* __restrict mean, Index n) {
    for (Index i = 0; i < n / 2; ++i) {
        const Signed left = pixels[2 * i], right = pixels[2 * i + 1];
        mean[i] = static_cast<Signed>((left >> 1) + (right >> 1) + (left & 1));
    }
    if (n % 2) mean[n / 2] = pixels[n - 1];
}

// Chroma moves by `of_mean` times the mean, which is in units of 2^-14; in halves of its own units
// there is room for both.
void change_chroma(const Signed* __restrict chroma, const Signed* __restrict mean, Signed of_mean,
                   const Signed* __restrict threshold, std::uint8_t* __restrict out, Index cells) {
    constexpr Signed grey = 1 << 13, highest = (1 << 14) - 1;
    for (Index i = 0; i < cells; ++i) {
        const auto level = static_cast<Signed>(grey + ((chroma[i] + 1) >> 1) +
                                               times(of_mean, mean[i]) + (threshold[i] >> 1));
        const auto raised = static_cast<Signed>(level > 0 ? level : 0);
        out[i] = static_cast<std::uint8_t>((raised < highest ? raised : highest) >> 6);
    }
}

// As Brightening, where 8 bits come out after 8 steps. Where steps of a = 1 spread shadows 256
// times, or of a = -1 lights, integers are off by up to four levels; a level of the frame becomes a
// hundred there. Steps that share their maps have a copy each.
struct Brightening8 {
    const Yuv& job;
    Index pixels, cells;
    Maps kind;
    Scales scales;
    Rows8* rows;
    Coefficients<1> maps;
    Index map_row = -1;  // the one that rows hold
    Grid grid;           // where the maps are sliced

    Brightening8(const Yuv& j, Index n, Arena& arena)
        : job(j),
          pixels(n),
          cells((n + j.across - 1) / j.across),
          kind(kind_of(j.curve)),
          scales(scales_of(j)),
          rows(arena.take<Rows8>(1)),
          maps(j.curve, j.height, j.width, kind == Maps::constant || kind == Maps::sliced ? 0 : n,
               arena),
          grid(j.curve, j.height, j.width, kind == Maps::sliced ? n : 0, arena) {}

    void run(const Tile& tile) {
        if (kind == Maps::constant)
            read_constants();
        else if (kind == Maps::sliced)
            grid.start_at(tile.left);
        else
            maps.start_at(tile.left);
        change_cells(*this, job, tile);
    }

    void begin_cells(Index row, Index column) {
        for (Index j = 0; j < pixels; ++j) rows->blue[j] = rows->red[j] = 0;
        read_chroma(1, row, column, rows->u);
        read_chroma(2, row, column, rows->v);
        const auto black = static_cast<Signed>(128.0f * job.out.black);
        for (Index c = 0; c < 3; ++c) {
            Word* more = job.across == 1 ? rows->more[c] : rows->cell_more[c];
            Word* less = job.across == 1 ? rows->less[c] : rows->cell_less[c];
            split(rows->u, rows->v, c == 2, c == 0, scales.u[c], scales.v[c], black, more, less,
                  cells);
            if (job.across == 1) continue;
            spread(more, rows->more[c], pixels);
            spread(less, rows->less[c], pixels);
        }
    }

    void read_chroma(int plane, Index row, Index column, Signed* __restrict chroma) {
        Word* level = rows->luma;  // free between the rows of pixels
        read(job.in, plane, row, column, level, cells);
        for (Index i = 0; i < cells; ++i) chroma[i] = static_cast<Signed>(level[i] - (1 << 14));
    }

    void end_cells(Index row, Index column, Index count) {
        write_chroma(1, row, column, count, rows->u, rows->blue, scales.blue_in_u);
        write_chroma(2, row, column, count, rows->v, rows->red, scales.red_in_v);
    }

    void write_chroma(int plane, Index row, Index column, Index count, const Signed* chroma,
                      Signed* sums, Signed of_mean) {
        for (Index j = 0; count == 1 && j < pixels; ++j) sums[j] = static_cast<Signed>(2 * sums[j]);
        if (job.across == 2) mean_of_pairs(sums, rows->mean, pixels);
        change_chroma(chroma, job.across == 2 ? rows->mean : sums, of_mean,
                      thresholds8.rows[row % Thresholds::period],
                      row_of(job.out, plane, row, column), cells);
    }

    void read_constants() {
        const Index channels = job.curve.channels;
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
            const Index channels = job.curve.channels;
            for (Index k = 0; k < 8; ++k)
                for (Index c = 0; c < channels; ++c) {
                    const Index from = ((job.curve.steps == 1 ? 0 : k) * channels + c) * pixels;
                    split_coefficients(maps.base + from, maps.slope + from, rows->middle[k][c],
                                       rows->half[k][c], pixels);
                }
        }
        return signed_unit(2.0f * weight - 1.0f);
    }

    void change(Index row, Index left) {
        read(job.in, 0, row, left, rows->luma, pixels);
        unsigned char* out = row_of(job.out, 0, row, left);
        const Signed* threshold = thresholds8.rows[row % Thresholds::period];
        if (kind == Maps::constant)
            return change_row<Maps::constant>(scales, 0, threshold, *rows, out, pixels);
        if (kind == Maps::sliced) {
            brightest_of(scales, *rows, grid.guide, pixels);
            grid.slice(row);
            to_signed(grid.a, rows->sliced, pixels);
            return change_row<Maps::sliced>(scales, 0, threshold, *rows, out, pixels);
        }
        const Signed weight = read_coefficients(row);
        if (kind == Maps::shared)
            change_row<Maps::shared>(scales, weight, threshold, *rows, out, pixels);
        else
            change_row<Maps::of_planes>(scales, weight, threshold, *rows, out, pixels);
    }
};

}  // namespace
}  // namespace undim
