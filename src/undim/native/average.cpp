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
UNDIM_WIDE void differences(const std::uint16_t* x, const std::uint16_t* average, Index width, std::int32_t* size,
                            std::int32_t* shift) {
    for (Index i = 0; i < width; ++i) {
        const std::int32_t r = x[3 * i] - average[3 * i];
        const std::int32_t g = x[3 * i + 1] - average[3 * i + 1];
        const std::int32_t b = x[3 * i + 2] - average[3 * i + 2];
        size[i] = std::abs(r) + std::abs(g) + std::abs(b);
        shift[i] = r + g + b;
    }
}

// Sums over `window` pixels along a row whose edges are repeated; `padded` has room for width + 2 reach.
UNDIM_WIDE void sum_across(const std::int32_t* row, Index width, std::int32_t* padded, std::int32_t* sums) {
    for (Index i = 0; i < reach; ++i) {
        padded[i] = row[0];
        padded[reach + width + i] = row[width - 1];
    }
    for (Index i = 0; i < width; ++i) padded[reach + i] = row[i];
    for (Index i = 0; i < width; ++i)
        sums[i] = padded[i] + padded[i + 1] + padded[i + 2] + padded[i + 3] + padded[i + 4];
}

UNDIM_WIDE void slide(std::int32_t* total, const std::int32_t* fresh, const std::int32_t* old, Index width) {
    for (Index i = 0; i < width; ++i) total[i] += fresh[i] - old[i];
}

// n <- min(n + 1, frames) at rest, 1 where either sum exceeds what noise gives: limit^2 (1 + 1/n), all in squares.
UNDIM_WIDE void decide(const std::int32_t* size, const std::int32_t* shift, const std::uint8_t* count, Index width,
                       float size_limit, float shift_limit, int frames, std::uint8_t* next, float* share) {
    const float size_square = size_limit * size_limit, shift_square = shift_limit * shift_limit;
    for (Index i = 0; i < width; ++i) {
        const int n = count[i];
        const float noise = 1.0f + 1.0f / static_cast<float>(n);
        const float a = static_cast<float>(size[i]), b = static_cast<float>(shift[i]);
        const bool moved = (a * a > size_square * noise) | (b * b > shift_square * noise);
        const int more = n + 1 < frames ? n + 1 : frames;
        const int m = moved ? 1 : more;
        next[i] = static_cast<std::uint8_t>(m);
        share[i] = 1.0f / static_cast<float>(m);
    }
}

UNDIM_WIDE void update(const std::uint16_t* x, const std::uint16_t* average, const float* share, Index width,
                       std::uint16_t* out) {
    for (Index i = 0; i < width; ++i)
        for (Index c = 0; c < 3; ++c) {
            const float a = average[3 * i + c], d = static_cast<float>(x[3 * i + c]) - a;
            out[3 * i + c] = static_cast<std::uint16_t>(static_cast<std::int32_t>(a + d * share[i] + 0.5f));
        }
}

void run_rows(const Average& job, Index top, Index bottom) {
    const Index width = job.width, row = 3 * width;
    const auto rows = [width](Index n) { return std::vector<std::int32_t>(static_cast<std::size_t>(n * width)); };
    // The last `window` rows, summed across; their sums, which are the sums over the whole window; one row.
    std::vector<std::int32_t> sizes = rows(window), shifts = rows(window), size_total = rows(1), shift_total = rows(1);
    std::vector<std::int32_t> size = rows(1), shift = rows(1), fresh = rows(1), padded(width + 2 * reach);
    std::vector<float> share(static_cast<std::size_t>(width));
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
        decide(size_total.data(), shift_total.data(), job.count + middle * width, width, job.size_limit, job.shift_limit,
               job.frames, job.next_count + middle * width, share.data());
        update(job.frame + middle * row, job.average + middle * row, share.data(), width, job.next_average + middle * row);
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
