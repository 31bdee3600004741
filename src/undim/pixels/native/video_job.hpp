// What is done to one frame of a video: plain data, shared by the module and the code of every
// instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "job.hpp"

namespace undim {

// Planar YUV in, planar YUV of the same shape out, the curve on RGB between (undim/pixels/yuv.py
// has the formula).
struct Yuv {
    struct Planes {
        unsigned char*
            data[3];  // Y, U, V; contiguous samples along a row, uint8 or, if wide, uint16
        std::ptrdiff_t stride[3];  // bytes from row to row
        bool wide;
        float black, luma;   // Y = black + luma * y, y in [0, 1]
        float grey, chroma;  // U = grey + chroma * u, u in [-0.5, 0.5]
        float maximum;       // of a sample
    };
    Planes in, out;  // may be the same memory: a sample is written after the last time it is read
    std::int64_t across, down;  // luma samples per chroma sample, 1 or 2

    float red, blue;  // weights of the matrix; green has the rest

    std::int64_t height, width;
    Curve curve;
};

// One step of the average over time (undim/pixels/average.py has the formula), on three planes that
// are either of one size or, as YUV, finer in the first. A cell is one sample of the last plane and
// the samples of the others there.
struct Average {
    struct Plane {
        const unsigned char* frame;
        std::ptrdiff_t row, pixel;  // strides of the frame in bytes
        const std::uint16_t* before;
        std::uint16_t* after;  // both contiguous, in units of 2^-shift of the frame's
        std::int64_t height, width;
        std::int64_t across, down;  // samples per cell
    };
    Plane planes[3];
    bool wide;  // the frame is uint16, else uint8
    int shift;
    const std::uint8_t*
        count;  // (rows, columns) of cells: how many frames the average holds, at least 1
    std::uint8_t* next_count;
    std::int64_t rows, columns;
    std::int64_t reach_down, reach_across;  // of the window around a cell, at most max_reach
    float size_limit,
        shift_limit;    // on the sums over the window of |d| and of d, at sqrt(1 + 1/n) = 1
    float shift_share;  // of the sum of |d| that the sum of d exceeds too where something moved
    int frames;         // averaged at most
};

constexpr std::int64_t max_reach = 2;

// Of tiles of a frame, at most: where each sample has coefficients of its own, they fit the cache.
constexpr std::int64_t video_tile_width = 512;

// One of these per instruction set; video.cpp is compiled once for each.
struct VideoKernel {
    // Returns the bytes that it needs for a tile of that size; without memory it does nothing else.
    std::size_t (*brighten)(const Yuv&, const Tile&, unsigned char* scratch);
    std::int64_t (*tile_width)(const Yuv&);
    // Rows of cells.
    void (*average)(const Average&, std::int64_t top, std::int64_t bottom, unsigned char* scratch);
    std::size_t (*average_scratch)(const Average&);
};

}  // namespace undim
