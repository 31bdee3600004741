// Rows of pixels and rows of cells, which are one pixel or two wide. Part of video.cpp, compiled
// once per instruction set.
#pragma once

#include "rows.hpp"

namespace undim {
namespace {

// To each of n pixels the value of its cell of two.
template <typename V>
void spread(const V* __restrict cells, V* __restrict pixels, Index n) {
    for (Index i = 0; i < n / 2; ++i) pixels[2 * i] = pixels[2 * i + 1] = cells[i];
    if (n % 2) pixels[n - 1] = cells[n / 2];
}

// cells += sums over pairs of n pixels; a last one without a partner counts twice.
template <typename V>
void add_pairs(const V* __restrict pixels, V* __restrict cells, Index n) {
    for (Index i = 0; i < n / 2; ++i) cells[i] += pixels[2 * i] + pixels[2 * i + 1];
    if (n % 2) cells[n / 2] += 2 * pixels[n - 1];
}

}  // namespace
}  // namespace undim
