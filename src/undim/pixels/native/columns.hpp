// Where the pixels of a tile lie between the rows and columns of the maps. Part of tile.cpp and
// video.cpp, compiled once per instruction set.
#pragma once

#include "rows.hpp"

namespace undim {
namespace {

// Where a cell falls among coarser ones (or finer): half-pixel centres, edges clamped.
struct Position {
    Index lower, upper;
    float weight;  // of the upper

    Position(Index target, Index targets, Index sources) {
        const double scale = static_cast<double>(sources) / static_cast<double>(targets);
        const double last = static_cast<double>(sources - 1);
        double p = (static_cast<double>(target) + 0.5) * scale - 0.5;
        p = p < 0 ? 0 : p > last ? last : p;
        lower = static_cast<Index>(p);
        upper = lower + 1 < sources ? lower + 1 : lower;
        weight = static_cast<float>(p - static_cast<double>(lower));
    }
};

// In floats; rows that are worked on in whole registers have room for one more.
constexpr Index widest_register = 16;

// A tile's pixels between the columns of the maps: runs of pixels that lie between the same two.
struct Columns {
    Index pixels;
    float* across;                // weight of each pixel's second map column
    Index *run_end, *run_column;  // where each run ends, and its first map column
    Index runs = 0;

    Columns(Index n, Arena& arena)
        : pixels(n),
          across(arena.take<float>(n + widest_register)),
          run_end(arena.take<Index>(n)),
          run_column(arena.take<Index>(n)) {}

    void start_at(Index left, Index picture_width, Index map_width) {
        for (Index x = 0; x < pixels; ++x) {
            const Position p(left + x, picture_width, map_width);
            across[x] = p.weight;
            if (runs == 0 || run_column[runs - 1] != p.lower) run_column[runs++] = p.lower;
            run_end[runs - 1] = x + 1;
        }
    }
};

}  // namespace
}  // namespace undim
