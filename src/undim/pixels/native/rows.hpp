// Rows of samples as floats in [0, 1], into the cache and out of it. Part of tile.cpp, compiled
// once per instruction set.
#pragma once

#include "job.hpp"

namespace undim {
namespace {

using Index = std::int64_t;

Index mirror(Index i, Index size) {  // ... 1 0 | 0 1 ... size-1 | size-1 ...
    i %= 2 * size;
    if (i < 0) i += 2 * size;
    return i < size ? i : 2 * size - 1 - i;
}

// Hands out pieces of the scratch memory, each on a cache line of its own; without memory it only
// counts.
struct Arena {
    unsigned char* memory;
    std::size_t used = 0;

    template <typename V>
    V* take(Index count) {
        auto* piece = memory ? reinterpret_cast<V*>(memory + used) : nullptr;
        used += (static_cast<std::size_t>(count) * sizeof(V) + cache_line - 1) / cache_line *
                cache_line;
        return piece;
    }
};

template <typename T>
struct Range;
template <>
struct Range<std::uint8_t> {
    static constexpr float maximum = 255.0f;
};
template <>
struct Range<std::uint16_t> {
    static constexpr float maximum = 65535.0f;
};

template <typename T>
bool to_unit(const T* __restrict in, float* __restrict x, Index n) {
    constexpr float scale =
        1.0f / Range<T>::maximum;  // rounds so that maximum * scale is exactly 1
    for (Index j = 0; j < n; ++j) x[j] = static_cast<float>(in[j]) * scale;
    return true;
}

template <>
bool to_unit<float>(const float* __restrict in, float* __restrict x, Index n) {
    int bad = 0;
    for (Index j = 0; j < n; ++j) {
        const float v = in[j];
        bad |= !(v >= -tolerance && v <= 1.0f + tolerance);
        const float low = v > 0.0f ? v : 0.0f;
        x[j] = low < 1.0f ? low : 1.0f;
    }
    return bad == 0;
}

// x is the sample before the curve: where it was below the maximum, the result stays below it.
template <typename T>
void from_unit(const float* __restrict v, const float* __restrict x, T* __restrict out, Index n) {
    constexpr float maximum = Range<T>::maximum;
    constexpr std::int32_t highest = static_cast<std::int32_t>(maximum);
    for (Index j = 0; j < n; ++j) {
        const std::int32_t limit = x[j] < 1.0f ? highest - 1 : highest;
        const std::int32_t rounded = static_cast<std::int32_t>(v[j] * maximum + 0.5f);
        out[j] = static_cast<T>(rounded < limit ? rounded : limit);
    }
}

template <>
void from_unit<float>(const float* __restrict v, const float* __restrict x, float* __restrict out,
                      Index n) {
    constexpr float below = 1.0f - 0x1p-24f;
    for (Index j = 0; j < n; ++j) {
        const float limit = x[j] < 1.0f ? below : 1.0f;
        out[j] = v[j] < limit ? v[j] : limit;
    }
}

// Load pixels [left, right) of a row, scaled to [0, 1]; beyond the image's sides they are mirrored.
template <typename T>
bool load(const Job& job, Index y, Index left, Index right, float* x, T* strided) {
    const Index from = left > 0 ? left : 0;
    const Index to = right < job.width ? right : job.width;
    const unsigned char* row = job.in + y * job.row_stride + from * job.pixel_stride;
    const Index n = 3 * (to - from);
    const T* samples = reinterpret_cast<const T*>(row);
    if (job.channel_stride != sizeof(T) || job.pixel_stride != 3 * sizeof(T)) {
        for (Index j = 0; j < n; j += 3, row += job.pixel_stride)
            for (Index c = 0; c < 3; ++c)
                strided[j + c] = *reinterpret_cast<const T*>(row + c * job.channel_stride);
        samples = strided;
    }
    const bool good = to_unit(samples, x + 3 * (from - left), n);
    const auto fill = [&](Index i) {
        for (Index c = 0; c < 3; ++c)
            x[3 * (i - left) + c] = x[3 * (mirror(i, job.width) - left) + c];
    };
    for (Index i = left; i < from; ++i) fill(i);
    for (Index i = to; i < right; ++i) fill(i);
    return good;
}

}  // namespace
}  // namespace undim
