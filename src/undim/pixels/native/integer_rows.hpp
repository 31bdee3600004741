// Rows of a tile of a YUV frame of 8 bits in integers, and what is done to one: the stages of
// yuv.hpp. Part of video.cpp, compiled once per instruction set from AVX2 on.
#pragma once

#include "curves.hpp"
#include "fixed.hpp"
#include "layout.hpp"
#include "video_job.hpp"

namespace undim {
namespace {

constexpr Index integer_steps = 8;  // of the curve: their number is compiled in

// What chroma adds to luma to give a colour, as plus - minus: words without a sign go twice as far.
// minus holds the luma of black too, so that a colour stands on 0.
struct Difference {
    Luma plus[video_tile_width], minus[video_tile_width];
};

struct IntegerRows {
    Luma luma[video_tile_width];
    Difference colour[3], cell_colour[3];  // R, G, B of pixels, of cells
    // a of an image row is middle + weight * half, weight from -1 to 1, so that all are shares; of
    // each step and channel, where they differ, ...
    Share middle[integer_steps][3][video_tile_width], half[integer_steps][3][video_tile_width];
    Share sliced[video_tile_width];                           // ... or one a for all
    ChangeSum blue[video_tile_width], red[video_tile_width];  // over a cell's rows, of d - d_y
    ChangeSum mean[video_tile_width];                         // of those over a cell
    Chroma u[video_tile_width], v[video_tile_width];          // of cells
};

// What numbers of one scale are in another, for one frame.
struct Scales {
    Share red, green, blue;  // weights of the matrix
    Luma black, white;       // luma of black; of white above that of black
    Colour stretch;          // a colour in 256ths of a level times 1 + stretch is one of `Colour`
    Factor u[3], v[3];       // what chroma adds to the luma of R, G and B
    Share blue_in_u, red_in_v;  // chroma, in units of 2^-6 levels, of a mean in those of 2^-14

    explicit Scales(const Yuv& job) {
        const float of_u = 2.0f * (1.0f - job.blue), of_v = 2.0f * (1.0f - job.red);
        const float of_green = 1.0f - job.red - job.blue;
        const float unit = job.out.luma / job.out.chroma;  // levels of luma to one of chroma
        red = to_nearest_share(job.red);
        blue = to_nearest_share(job.blue);
        green = static_cast<Share>((1 << 15) - red - blue);
        black = static_cast<Luma>(level_units * job.out.black);
        white = static_cast<Luma>(level_units * job.out.luma);
        stretch = static_cast<Colour>(256.0f * (highest_colour - 1.0f) / job.out.luma - 65536.0f);
        u[0] = v[2] = {0, 0};
        v[0] = to_factor(unit * of_v);
        u[1] = to_factor(-unit * of_u * job.blue / of_green);
        v[1] = to_factor(-unit * of_v * job.red / of_green);
        u[2] = to_factor(unit * of_u);
        blue_in_u = static_cast<Share>(level_units * job.out.chroma / of_u);
        red_in_v = static_cast<Share>(level_units * job.out.chroma / of_v);
    }
};

// Samples of 8 bits or, averaged over time, in 256ths of a level.
template <typename T>
void load_row(const T* __restrict samples, Luma* __restrict luma, Index n) {
    for (Index j = 0; j < n; ++j)
        luma[j] = static_cast<Luma>(sizeof(T) == 1 ? samples[j] << level_bits
                                                   : samples[j] >> (8 - level_bits));
}

void load(const Yuv::Planes& planes, int plane, Index y, Index x, Luma* to, Index n) {
    const unsigned char* row = row_of(planes, plane, y, x);
    if (planes.wide)
        load_row(reinterpret_cast<const std::uint16_t*>(row), to, n);
    else
        load_row(row, to, n);
}

// What the chroma of cells adds to their luma to give one of R, G and B.
void colours(const Chroma* __restrict u, const Chroma* __restrict v, Factor of_u, Factor of_v,
             Luma black, Difference& __restrict to, Index cells) {
    for (Index i = 0; i < cells; ++i) {
        const auto sum = static_cast<Chroma>(times(of_u, u[i]) + times(of_v, v[i]));
        to.plus[i] = static_cast<Luma>(sum > 0 ? sum : 0);
        to.minus[i] = static_cast<Luma>((sum < 0 ? -sum : 0) + black);
    }
}

// Luma of a colour above black, or 0.
Luma sum_above_black(Luma y, const Difference& colour, Index j) {
    const auto sum = static_cast<Luma>(y + colour.plus[j]);
    return static_cast<Luma>(larger(sum, colour.minus[j]) - colour.minus[j]);
}

// Clipped at white. The product is cut off, by about a half where it is not 0; white has to be
// exactly 1, so that it stays, and one more does both.
Colour clipped(Luma above_black, const Scales& scales) {
    const auto in_256ths = static_cast<Colour>(2 * smaller(above_black, scales.white));
    const Colour cut_off = smaller(in_256ths, 1);
    return static_cast<Colour>(in_256ths + times(in_256ths, scales.stretch) + cut_off);
}

// The guide of each pixel, which chooses among the levels: the largest of R, G and B, in [0, 1].
void brightest(const Scales& all, const IntegerRows& __restrict rows, float* __restrict guide,
               Index n) {
    const Scales scales = all;
    for (Index j = 0; j < n; ++j) {
        const Luma r = sum_above_black(rows.luma[j], rows.colour[0], j);
        const Luma g = sum_above_black(rows.luma[j], rows.colour[1], j);
        const Luma b = sum_above_black(rows.luma[j], rows.colour[2], j);
        const Colour most = clipped(larger(larger(r, g), b), scales);
        guide[j] = static_cast<float>(most) * (1.0f / highest_colour);
    }
}

void to_shares(const float* __restrict a, Share* __restrict to, Index n) {
    for (Index j = 0; j < n; ++j) to[j] = to_share(a[j]);
}

// The coefficients base + w * slope, w from 0 to 1, as middle + weight * half.
void to_shares(const float* __restrict base, const float* __restrict slope,
               Share* __restrict middle, Share* __restrict half, Index n) {
    for (Index j = 0; j < n; ++j) {
        middle[j] = to_share(base[j] + 0.5f * slope[j]);
        half[j] = to_share(0.5f * slope[j]);
    }
}

// a of step k and channel c at pixel j.
template <Layout layout>
Share coefficient(const IntegerRows& rows, Share weight, Index k, Index c, Index j) {
    if (layout == Layout::sliced) return rows.sliced[j];
    if (layout == Layout::constant) return rows.middle[k][c][0];
    const Index plane = layout == Layout::shared ? 0 : c;
    return static_cast<Share>(rows.middle[k][plane][j] + times(weight, rows.half[k][plane][j]));
}

// Half a difference of colours, which is one of shares.
Share difference(Colour bright, Colour dark) {
    return static_cast<Share>((bright >> 1) - (dark >> 1));
}

// Luma as a sample of 8 bits. It stands on `zero` meanwhile, so that what is darker than the frame
// can hold does not wrap around.
std::uint8_t rounded(Luma y, Chroma change, Chroma threshold) {
    constexpr Luma zero = 1 << 14, highest = zero + (256 << level_bits) - 1;
    const auto level = static_cast<Luma>(zero + y + change + threshold);
    const Luma inside = smaller(larger(level, zero), highest);
    return static_cast<std::uint8_t>((inside - zero) >> level_bits);
}

// One row: d = curve(x) - x of R, G and B, clipped, moves luma; blue and red gather what is left of
// it. All stages are one loop: rows between them would cost as much as the stages do.
template <Layout layout>
void change_row(const Scales& all, Share weight, const Chroma* __restrict threshold,
                IntegerRows& __restrict rows, std::uint8_t* __restrict out, Index n) {
    const Scales scales = all;  // a copy, which no store can change
    for (Index j = 0; j < n; ++j) {
        const Luma y = rows.luma[j];
        const Colour r = clipped(sum_above_black(y, rows.colour[0], j), scales);
        const Colour g = clipped(sum_above_black(y, rows.colour[1], j), scales);
        const Colour b = clipped(sum_above_black(y, rows.colour[2], j), scales);
        Colour bright[3] = {r, g, b};
        // R, G and B take their steps in turn, for each step waits for the one before it. GCC
        // unrolls no 24 steps unless it is told to, and vectorises no loop around others.
#pragma GCC unroll 8
        for (Index k = 0; k < integer_steps; ++k)
#pragma GCC unroll 3
            for (Index c = 0; c < 3; ++c)
                bright[c] = step(bright[c], coefficient<layout>(rows, weight, k, c, j));
        const Share dr = difference(bright[0], r);
        const Share dg = difference(bright[1], g);
        const Share db = difference(bright[2], b);
        const auto dy = static_cast<Share>(times(scales.red, dr) + times(scales.green, dg) +
                                           times(scales.blue, db));
        out[j] = rounded(y, times(static_cast<Chroma>(scales.white), dy), threshold[j]);
        constexpr int bits = share_to_sum_bits;
        rows.blue[j] = static_cast<ChangeSum>(rows.blue[j] + (db >> bits) - (dy >> bits));
        rows.red[j] = static_cast<ChangeSum>(rows.red[j] + (dr >> bits) - (dy >> bits));
    }
}

// Means over pairs of pixels, rounded up as often as down; a last one without a partner is its own.
void mean_of_pairs(const ChangeSum* __restrict pixels, ChangeSum* __restrict mean, Index n) {
    for (Index i = 0; i < n / 2; ++i) {
        const ChangeSum left = pixels[2 * i], right = pixels[2 * i + 1];
        mean[i] = static_cast<ChangeSum>((left >> 1) + (right >> 1) + (left & 1));
    }
    if (n % 2) mean[n / 2] = pixels[n - 1];
}

// Chroma moves by `in_chroma` times the mean. A sum of two rows is their mean in units of 2^-14; in
// units of 2^-6 levels there is room for chroma and its change.
void add_to_chroma(const Chroma* __restrict chroma, const ChangeSum* __restrict mean,
                   Share in_chroma, const Chroma* __restrict threshold,
                   std::uint8_t* __restrict out, Index cells) {
    constexpr int bits = level_bits - 1;
    constexpr Chroma grey = 128 << bits, highest = (256 << bits) - 1;
    for (Index i = 0; i < cells; ++i) {
        const auto level = static_cast<Chroma>(grey + ((chroma[i] + 1) >> 1) +
                                               times(in_chroma, mean[i]) + (threshold[i] >> 1));
        const auto low = static_cast<Chroma>(level > 0 ? level : 0);
        out[i] = static_cast<std::uint8_t>((low < highest ? low : highest) >> bits);
    }
}

}  // namespace
}  // namespace undim
