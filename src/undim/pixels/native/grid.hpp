// Maps at several levels of brightness, a bilateral grid, sliced on a tile: a of each pixel by its
// place and its guide. Part of tile.cpp and video.cpp, compiled once per instruction set.
//
// With levels k_z, between which a runs in a straight line of slope m_z,
//
//     a(g) = a_0 + sum_z m_z (min(g, k_z+1) - min(g, k_z)).
//
// A sum over all levels is dense loops over pixels, where a search for the two around g would be
// gathers; and no term exceeds what a changes by between two levels, so that none has to cancel
// another, as those of sum_z (m_z - m_z-1) max(0, g - k_z) have to.
#pragma once

#include "columns.hpp"

namespace undim {
namespace {

constexpr Index segment_group = 4;  // segments to one pass over the pixels

Index whole_registers(Index n) {
    return (n + widest_register - 1) / widest_register * widest_register;
}

// A run of pixels: a at black.
void start(float here, float there, const float* __restrict across, float* __restrict a, Index n) {
    for (Index x = 0; x < n; ++x) a[x] = here + across[x] * (there - here);
}

// A run of pixels: a += the segments' share. Slopes are here + across * (there - here); knots are
// the segments' ends, the one before them included.
void add_segments(const float* knots, const float* here, const float* there,
                  const float* __restrict across, const float* __restrict guide,
                  float* __restrict a, Index n) {
    float rise[segment_group];
    for (Index s = 0; s < segment_group; ++s) rise[s] = there[s] - here[s];
    for (Index x = 0; x < n; ++x) {
        const float g = guide[x];
        float sum = a[x], below = g < knots[0] ? g : knots[0];
        for (Index s = 0; s < segment_group; ++s) {
            const float part = g < knots[s + 1] ? g : knots[s + 1];
            sum += (here[s] + across[x] * rise[s]) * (part - below);
            below = part;
        }
        a[x] = sum;
    }
}

struct Grid {
    const Curve& curve;
    Index picture_height, picture_width;
    Columns columns;
    Index segments, terms;  // a term is a at black or the slope of a segment
    float* knots;           // segments + 1
    float *base, *slope;    // for the two map columns of each run its terms, in a map row and on
    float* nodes;           // those of an image row: base + weight * slope
    float *guide, *a;       // of a row of pixels: the one comes in, the other goes out
    Index map_row = -1;     // the one that base holds

    Grid(const Curve& c, Index height, Index width, Index pixels, Arena& arena)
        : curve(c),
          picture_height(height),
          picture_width(width),
          columns(pixels, arena),
          segments((c.levels - 1 + segment_group - 1) / segment_group * segment_group),
          terms(1 + segments),
          knots(arena.take<float>(terms)),
          base(arena.take<float>(2 * terms * pixels)),
          slope(arena.take<float>(2 * terms * pixels)),
          nodes(arena.take<float>(2 * terms * pixels)),
          guide(arena.take<float>(pixels + widest_register)),
          a(arena.take<float>(pixels + widest_register)) {}

    void start_at(Index left) {
        columns.start_at(left, picture_width, curve.width);
        for (Index z = 0; z <= segments; ++z)
            knots[z] = z < curve.levels ? curve.brightness[z] : 1.0f;
    }

    // a of each pixel of row y of the image, by its guide. Each run is worked on in whole
    // registers, for a rest would cost as much; what it writes beyond its end the next one writes
    // anew.
    void slice(Index y) {
        interpolate(y);
        Index x = 0;
        for (Index i = 0; i < columns.runs; ++i) {
            const float *here = nodes + 2 * i * terms, *there = here + terms;
            const float* across = columns.across + x;
            const Index n = whole_registers(columns.run_end[i] - x);
            start(here[0], there[0], across, a + x, n);
            for (Index s = 0; s < segments; s += segment_group)
                add_segments(knots + s, here + 1 + s, there + 1 + s, across, guide + x, a + x, n);
            x = columns.run_end[i];
        }
    }

    // The nodes of row y of the image.
    void interpolate(Index y) {
        const Position p(y, picture_height, curve.height);
        const Index n = 2 * terms * columns.runs;
        if (p.lower != map_row) {
            map_row = p.lower;
            read(p.lower, base);
            read(p.upper, slope);
            for (Index j = 0; j < n; ++j) slope[j] -= base[j];
        }
        for (Index j = 0; j < n; ++j) nodes[j] = base[j] + p.weight * slope[j];
    }

    // The terms at the two map columns of each run, in one map row. Segments that fill up the last
    // group are flat.
    void read(Index row, float* to) {
        const Index level = curve.height * curve.width;
        for (Index i = 0; i < columns.runs; ++i)
            for (Index side = 0; side < 2; ++side) {
                const Index next = columns.run_column[i] + side;
                const Index column = next < curve.width ? next : curve.width - 1;
                const float* map = curve.maps + row * curve.width + column;
                *to++ = map[0];
                for (Index z = 0; z < segments; ++z)
                    *to++ = z + 1 < curve.levels ? (map[(z + 1) * level] - map[z * level]) /
                                                       (knots[z + 1] - knots[z])
                                                 : 0.0f;
            }
    }
};

}  // namespace
}  // namespace undim
