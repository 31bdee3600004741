// What one call of the kernel has to do: plain data, shared by the module and the code of every
// instruction set. undim/pixels/jobs.py says the same to Python.
#pragma once

#include <cstddef>
#include <cstdint>

namespace undim {

enum class Sample { u8, u16, f32 };

// `iterations` steps of x + a x (1 - x); 0 leaves the curve out.
struct Curve {
    std::int64_t iterations;
    const float* maps;  // (steps, channels, levels, height, width), contiguous, in [-1, 1]
    std::int64_t steps, channels, levels, height, width;
    const float* brightness;  // where the levels stand, ascending from 0 to 1
};

// The self-guided filter before the curve; radius 0 leaves it out.
struct Filter {
    std::int64_t radius;
    float eps;
    float chroma_eps;  // above 0: brightness and colour differences are filtered; 0: R, G and B
};

// A photograph: any strides (in bytes) in, contiguous out.
struct Job {
    const unsigned char* in;
    std::ptrdiff_t row_stride, pixel_stride, channel_stride;
    unsigned char* out;
    Sample sample;
    std::int64_t height, width;
    Curve curve;
    Filter filter;
};

// A picture averaged over rows x columns boxes, whose edges are whole pixels.
struct Boxes {
    const unsigned char* in;
    std::ptrdiff_t row_stride;  // in bytes; the samples of a row lie side by side
    Sample sample;
    std::int64_t height, width, channels;
    float* out;  // (rows, columns, channels), contiguous, in multiples of `unit`
    std::int64_t rows, columns;
    float unit;
};

// The image is cut into tiles on a fixed grid, so that the result does not depend on the number
// of threads.
struct Tile {
    std::int64_t top, bottom, left, right;
};

// Float samples this far outside of [0, 1] are clipped; farther ones (and NaN) are refused.
constexpr float tolerance = 1e-3f;

constexpr std::size_t cache_line = 64;  // bytes; scratch memory begins on one

// One of these per instruction set; tile.cpp is compiled once for each.
struct Kernel {
    // False where a float sample is out of range.
    bool (*run_tile)(const Job&, const Tile&, unsigned char* scratch);
    // What run_tile needs for a tile of that size.
    std::size_t (*scratch_bytes)(const Job&, const Tile&);
    // One row of boxes; needs a float for each sample of a row.
    void (*box_means)(const Boxes&, std::int64_t row, unsigned char* scratch);
};

}  // namespace undim
