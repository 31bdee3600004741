// One step of the average over time, for undim/video/averaging.py: plain data, contiguous arrays.
#pragma once

#include <cstdint>

namespace undim {

struct Average {
    const std::uint16_t* frame;    // (height, width, 3)
    const std::uint16_t* average;  // of the frames before
    const std::uint8_t* count;     // (height, width): how many frames it holds, at least 1
    std::uint16_t* next_average;
    std::uint8_t* next_count;
    std::int64_t height, width;
    float size_limit, shift_limit;  // on the sums over 5 x 5 pixels and 3 channels of |d| and of d, at sqrt(1 + 1/n) = 1
    int frames;                     // averaged at most
};

// The result does not depend on the number of threads.
void run(const Average& job, int threads);

}  // namespace undim
