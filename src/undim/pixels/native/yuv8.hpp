// The curve on a tile of a YUV frame of 8 bits, in integers: twice as many to a register as floats.
// Part of video.cpp, compiled once per instruction set from AVX2 on.
#pragma once

#include "cells.hpp"
#include "curves.hpp"
#include "integer_rows.hpp"
#include "planes.hpp"
#include "video_job.hpp"

namespace undim {
namespace {

// As Brightening, stage by stage. Where steps of a = 1 spread shadows 256 times, or of a = -1
// lights, integers are off by up to four levels; a level of the frame becomes a hundred there.
struct IntegerBrightening {
    const Yuv& job;
    Index pixels, cells;
    Layout layout;
    Scales scales;
    IntegerRows* rows;
    Grid grid;             // sliced maps
    Coefficients<1> maps;  // others that vary over the picture
    Index share_row = -1;  // the row of those that the shares are of

    IntegerBrightening(const Yuv& j, Index n, Arena& arena)
        : job(j),
          pixels(n),
          cells((n + j.across - 1) / j.across),
          layout(layout_of(j.curve)),
          scales(j),
          rows(arena.take<IntegerRows>(1)),
          grid(j.curve, j.height, j.width, layout == Layout::sliced ? n : 0, arena),
          maps(j.curve, j.height, j.width, interpolated(layout) ? n : 0, arena) {}

    void run(const Tile& tile) {
        if (layout == Layout::constant)
            read_constants();
        else if (layout == Layout::sliced)
            grid.start_at(tile.left);
        else
            maps.start_at(tile.left);
        change_cells(*this, job, tile);
    }

    void begin_cells(Index row, Index column) {
        for (Index j = 0; j < pixels; ++j) rows->blue[j] = rows->red[j] = 0;
        load_chroma(1, row, column, rows->u);
        load_chroma(2, row, column, rows->v);
        for (Index c = 0; c < 3; ++c) {
            Difference &of_pixels = rows->colour[c], &of_cells = rows->cell_colour[c];
            colours(rows->u, rows->v, scales.u[c], scales.v[c], scales.black,
                    job.across == 1 ? of_pixels : of_cells, cells);
            if (job.across == 1) continue;
            spread(of_cells.plus, of_pixels.plus, pixels);
            spread(of_cells.minus, of_pixels.minus, pixels);
        }
    }

    void load_chroma(int plane, Index row, Index column, Chroma* __restrict chroma) {
        Luma* level = rows->luma;  // free between the rows of pixels
        load(job.in, plane, row, column, level, cells);
        for (Index i = 0; i < cells; ++i)
            chroma[i] = static_cast<Chroma>(level[i] - (128 << level_bits));
    }

    void change(Index row, Index left) {
        load(job.in, 0, row, left, rows->luma, pixels);
        switch (layout) {
            case Layout::constant: return change_row<Layout::constant>(row, left, 0);
            case Layout::sliced:
                brightest(scales, *rows, grid.guide, pixels);
                grid.slice(row);
                to_shares(grid.a, rows->sliced, pixels);
                return change_row<Layout::sliced>(row, left, 0);
            case Layout::shared:
                return change_row<Layout::shared>(row, left, read_coefficients(row));
            case Layout::of_planes:
                return change_row<Layout::of_planes>(row, left, read_coefficients(row));
        }
    }

    template <Layout of_maps>
    void change_row(Index row, Index left, Share weight) {
        undim::change_row<of_maps>(scales, weight, luma_thresholds.rows[row % Thresholds::period],
                                   *rows, row_of(job.out, 0, row, left), pixels);
    }

    void end_cells(Index row, Index column, Index count) {
        store_chroma(1, row, column, count, rows->u, rows->blue, scales.blue_in_u);
        store_chroma(2, row, column, count, rows->v, rows->red, scales.red_in_v);
    }

    // `count` is how many rows of pixels the cells have: a lone one counts twice.
    void store_chroma(int plane, Index row, Index column, Index count, const Chroma* chroma,
                      ChangeSum* sums, Share in_chroma) {
        for (Index j = 0; count == 1 && j < pixels; ++j)
            sums[j] = static_cast<ChangeSum>(2 * sums[j]);
        if (job.across == 2) mean_of_pairs(sums, rows->mean, pixels);
        add_to_chroma(chroma, job.across == 2 ? rows->mean : sums, in_chroma,
                      luma_thresholds.rows[row % Thresholds::period],
                      row_of(job.out, plane, row, column), cells);
    }

    void read_constants() {
        const Index channels = job.curve.channels;
        for (Index k = 0; k < integer_steps; ++k)
            for (Index c = 0; c < 3; ++c) {
                const Index step = job.curve.steps == 1 ? 0 : k, channel = channels == 3 ? c : 0;
                rows->middle[k][c][0] = to_share(job.curve.maps[step * channels + channel]);
            }
    }

    // The shares of image row y, where they are not those of the row before; steps that share their
    // maps have a copy each. Returns the weight of half, from -1 to 1.
    Share read_coefficients(Index y) {
        const float weight = maps.at(y);
        if (maps.map_row != share_row) {
            share_row = maps.map_row;
            const Index channels = job.curve.channels;
            for (Index k = 0; k < integer_steps; ++k)
                for (Index c = 0; c < channels; ++c) {
                    const Index from = ((job.curve.steps == 1 ? 0 : k) * channels + c) * pixels;
                    to_shares(maps.base + from, maps.slope + from, rows->middle[k][c],
                              rows->half[k][c], pixels);
                }
        }
        return to_share(2.0f * weight - 1.0f);
    }
};

}  // namespace
}  // namespace undim
