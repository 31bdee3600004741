// undim._native.average: noise averaged away over time where nothing moves (undim/video/averaging.py has the formula).

#include "average.hpp"

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <vector>

// The loops are plain enough for compilers to vectorise; where the loader can pick, wide registers are used.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define UNDIM_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define UNDIM_WIDE
#endif

namespace undim {
namespace {

using Index = std::int64_t;
constexpr Index reach = 2, window = 2 * reach + 1;

// Per pixel: the sums over the channels of |d| and of d, for d = x - average.
UNDIM_WIDE void differences(const std::uint16_t* __restrict x, const std::uint16_t* __restrict average, Index width,
                            std::int32_t* __restrict size, std::int32_t* __restrict shift) {
    for (Index i = 0; i < width; ++i) {
        const std::int32_t r = x[3 * i] - average[3 * i];
        const std::int32_t g = x[3 * i + 1] - average[3 * i + 1];
        const std::int32_t b = x[3 * i + 2] - average[3 * i + 2];
        size[i] = std::abs(r) + std::abs(g) + std::abs(b);
        shift[i] = r + g + b;
    }
}

// Sums over `window` pixels along a row whose edges are repeated; `padded` has room for width + 2 reach.
UNDIM_WIDE void sum_across(const std::int32_t* __restrict row, Index width, std::int32_t* __restrict padded,
                           std::int32_t* __restrict sums) {
    for (Index i = 0; i < reach; ++i) {
        padded[i] = row[0];
        padded[reach + width + i] = row[width - 1];
    }
    for (Index i = 0; i < width; ++i) padded[reach + i] = row[i];
    for (Index i = 0; i < width; ++i)
        sums[i] = padded[i] + padded[i + 1] + padded[i + 2] + padded[i + 3] + padded[i + 4];
}

UNDIM_WIDE void slide(std::int32_t* __restrict total, const std::int32_t* __restrict fresh, const std::int32_t* __restrict old,
                      Index width) {
    for (Index i = 0; i < width; ++i) total[i] += fresh[i] - old[i];
}

// n <- min(n + 1, frames) at rest, 1 where either sum exceeds what noise gives: limit^2 (1 + 1/n), all in squares.
// share is 1/n for each of the three samples of a pixel.
UNDIM_WIDE void decide(const std::int32_t* __restrict size, const std::int32_t* __restrict shift,
                       const std::uint8_t* __restrict count, Index width, const Average& job,
                       std::uint8_t* __restrict next, float* __restrict inverse, float* __restrict share) {
    const float size_square = job.size_limit * job.size_limit, shift_square = job.shift_limit * job.shift_limit;
    const float most = static_cast<float>(job.frames);
    for (Index i = 0; i < width; ++i) {
        const float n = static_cast<float>(static_cast<std::int32_t>(count[i]));
        const float noise = 1.0f + 1.0f / n;
        const float a = static_cast<float>(size[i]), b = static_cast<float>(shift[i]);
        const float more = n + 1.0f < most ? n + 1.0f : most;
        const float at_rest = a * a > size_square * noise ? 1.0f : more;
        const float m = b * b > shift_square * noise ? 1.0f : at_rest;
        next[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(m));
        inverse[i] = 1.0f / m;
    }
    for (Index i = 0; i < width; ++i) share[3 * i] = share[3 * i + 1] = share[3 * i + 2] = inverse[i];
}

UNDIM_WIDE void update(const std::uint16_t* __restrict x, const std::uint16_t* __restrict average,
                       const float* __restrict share, Index samples, std::uint16_t* __restrict out) {
    for (Index j = 0; j < samples; ++j) {
        const float a = static_cast<float>(static_cast<std::int32_t>(average[j]));
        const float d = static_cast<float>(static_cast<std::int32_t>(x[j]) - static_cast<std::int32_t>(average[j]));
        out[j] = static_cast<std::uint16_t>(static_cast<std::int32_t>(a + d * share[j] + 0.5f));
    }
}

void run_rows(const Average& job, Index top, Index bottom) {
    const Index width = job.width, row = 3 * width;
    const auto rows = [width](Index n) { return std::vector<std::int32_t>(static_cast<std::size_t>(n * width)); };
    // The last `window` rows, summed across; their sums, which are the sums over the whole window; one row.
    std::vector<std::int32_t> sizes = rows(window), shifts = rows(window), size_total = rows(1), shift_total = rows(1);
    std::vector<std::int32_t> size = rows(1), shift = rows(1), fresh = rows(1), padded(width + 2 * reach);
    std::vector<float> inverse(static_cast<std::size_t>(width)), share(static_cast<std::size_t>(row));
    const auto push = [&](const std::vector<std::int32_t>& line, std::vector<std::int32_t>& total, std::int32_t* oldest) {
        sum_across(line.data(), width, padded.data(), fresh.data());
        slide(total.data(), fresh.data(), oldest, width);
        std::copy(fresh.begin(), fresh.end(), oldest);
    };
    for (Index i = top - reach; i < bottom + reach; ++i) {
        const Index y = std::clamp<Index>(i, 0, job.height - 1), slot = (i - top + reach) % window * width;
        differences(job.frame + y * row, job.average + y * row, width, size.data(), shift.data());
        push(size, size_total, sizes.data() + slot);
        push(shift, shift_total, shifts.data() + slot);
        const Index middle = i - reach;
        if (middle < top) continue;
        decide(size_total.data(), shift_total.data(), job.count + middle * width, width, job,
               job.next_count + middle * width, inverse.data(), share.data());
        update(job.frame + middle * row, job.average + middle * row, share.data(), row, job.next_average + middle * row);
    }
}

}  // namespace

void run(const Average& job, int threads) {
    const Index bands = std::min<Index>(threads, std::max<Index>(1, job.height / 64));
    const auto work = [&job, bands](Index band) {
        run_rows(job, job.height * band / bands, job.height * (band + 1) / bands);
    };
    std::vector<std::thread> helpers;
    Index begun = 1;
    try {
        for (; begun < bands; ++begun) helpers.emplace_back(work, begun);
    } catch (const std::system_error&) {
        // no more threads to be had: this one does what is left
    }
    work(0);
    for (; begun < bands; ++begun) work(begun);
    for (auto& helper : helpers) helper.join();
}

}  // namespace undim
