// Fixed-point numbers of 16 bits, and the arithmetic of the curve in them. Part of video.cpp,
// compiled once per instruction set from AVX2 on.
#pragma once

#include "planes.hpp"

namespace undim {
namespace {

// A type for each scale.
using Colour = std::uint16_t;  // R, G, B and x (1 - x), from 0 to 1: in units of 2^-16, 65535 is 1
using Share = std::int16_t;    // a, d = curve(x) - x and weights, from -1 to 1: in units of 2^-15
using Luma = std::uint16_t;    // not below 0: in units of 2^-7 levels of the frame
using Chroma = std::int16_t;   // above or below grey: in units of 2^-7 levels
using ChangeSum = std::int16_t;  // of two d_b - d_y or d_r - d_y, from -4 to 4: in units of 2^-13

constexpr int level_bits = 7;
constexpr float level_units = 1 << level_bits;
constexpr float share_units = 1 << 15;
constexpr float highest_colour = 65535.0f, highest_share = 32767.0f;
constexpr int share_to_sum_bits = 2;  // that a share has more than a sum

Luma smaller(Luma a, Luma b) {
    return a < b ? a : b;
}

Luma larger(Luma a, Luma b) {
    return a > b ? a : b;
}

// Of a number from -1 to 1, both included.
Share to_share(float x) {
    return static_cast<Share>(highest_share * x);
}

// Of one below 1, rounded: weights must not be too small, all of them.
Share to_nearest_share(float x) {
    return static_cast<Share>(share_units * x + (x < 0.0f ? -0.5f : 0.5f));
}

// A share of a number of any scale, rounded. Written so that GCC makes one instruction of it.
Share times(Share a, Share b) {
    return static_cast<Share>(((static_cast<std::int32_t>(a) * b >> 14) + 1) >> 1);
}

Colour times(Colour a, Colour b) {
    return static_cast<Colour>((static_cast<std::uint32_t>(a) * b) >> 16);
}

// x + a x (1 - x). As 1 is 2^16, 1 - x is -x; x (1 - x), at most a quarter, fits a signed word.
Colour step(Colour x, Share a) {
    const auto product = static_cast<Share>(times(x, static_cast<Colour>(-x)));
    return static_cast<Colour>(x + times(a, product));
}

// A factor of up to 2, for which a share is too small.
struct Factor {
    std::int16_t whole;
    Share rest;
};

Factor to_factor(float x) {
    const float whole = x > 1.0f ? 1.0f : 0.0f;
    return {static_cast<std::int16_t>(whole), to_nearest_share(x - whole)};
}

Chroma times(Factor factor, Chroma x) {
    return static_cast<Chroma>(factor.whole * x + times(factor.rest, x));
}

// The thresholds of rounding in units of luma, for a whole row of a tile.
struct LumaThresholds {
    Chroma rows[Thresholds::period][video_tile_width];

    constexpr LumaThresholds() : rows() {
        for (Index y = 0; y < Thresholds::period; ++y)
            for (Index x = 0; x < video_tile_width; ++x)
                rows[y][x] =
                    static_cast<Chroma>(level_units * thresholds.rows[y][x % Thresholds::length]);
    }
};
constexpr LumaThresholds luma_thresholds;

}  // namespace
}  // namespace undim
