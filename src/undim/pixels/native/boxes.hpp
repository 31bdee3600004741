// Means over boxes of whole pixels. Part of tile.cpp, compiled once per instruction set.
#pragma once

#include "rows.hpp"

namespace undim {
namespace {

// sums += the next rows of the image, n samples each.
template <typename T>
void add_rows(const Boxes& job, Index top, Index bottom, float* __restrict sums, Index n) {
    const auto row = [&](Index y) {
        return reinterpret_cast<const T*>(job.in + y * job.row_stride);
    };
    Index y = top;
    for (; y + 4 <= bottom; y += 4) {  // four at a time: the sums are read and written less often
        const T* __restrict a = row(y);
        const T* __restrict b = row(y + 1);
        const T* __restrict c = row(y + 2);
        const T* __restrict d = row(y + 3);
        for (Index j = 0; j < n; ++j) sums[j] += static_cast<float>(a[j] + b[j] + c[j] + d[j]);
    }
    for (; y < bottom; ++y) {
        const T* __restrict a = row(y);
        for (Index j = 0; j < n; ++j) sums[j] += static_cast<float>(a[j]);
    }
}

// One row of boxes.
template <typename T>
void average_row(const Boxes& job, Index i, unsigned char* scratch) {
    auto* sums = reinterpret_cast<float*>(scratch);
    const Index n = job.width * job.channels;
    for (Index j = 0; j < n; ++j) sums[j] = 0.0f;
    const Index top = i * job.height / job.rows, bottom = (i + 1) * job.height / job.rows;
    add_rows<T>(job, top, bottom, sums, n);
    float* out = job.out + i * job.columns * job.channels;
    for (Index k = 0; k < job.columns; ++k) {
        const Index left = k * job.width / job.columns, right = (k + 1) * job.width / job.columns;
        const double scale =
            1.0 / (static_cast<double>((bottom - top) * (right - left)) * job.unit);
        for (Index c = 0; c < job.channels; ++c, ++out) {
            double sum = 0.0;
            for (Index x = left; x < right; ++x) sum += sums[x * job.channels + c];
            *out = static_cast<float>(sum * scale);
        }
    }
}

}  // namespace
}  // namespace undim
