// The functions of undim._native for film: checks that the arguments fit together, cuts frames into tiles.

#include "film_module.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "cpu.hpp"
#include "workers.hpp"

namespace nb = nanobind;

namespace undim {
namespace {

constexpr std::int64_t tile_pixels = 1 << 16;
constexpr std::int64_t tiles_per_thread = 4;  // fewer take less time than the start of a thread
constexpr std::int64_t band_height = 64;       // of the average, in rows of cells

using Plane = nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu>;
using OutPlane = nb::ndarray<nb::ndim<2>, nb::device::cpu>;
using Maps = nb::ndarray<const float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Levels = std::tuple<float, float, float, float, float>;  // black, luma, grey, chroma, maximum

template <typename Array>
using Three = std::tuple<Array, Array, Array>;

template <typename T>
using Contiguous = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

template <typename Array>
std::int64_t extent(const Array& array, std::size_t axis) {
    return static_cast<std::int64_t>(array.shape(axis));
}

template <typename A, typename B>
bool same_shape(const A& a, const B& b) {
    return a.shape(0) == b.shape(0) && a.shape(1) == b.shape(1);
}

void require(bool good) {
    if (!good) throw nb::value_error("arguments do not fit together");
}

template <typename Array>
Yuv::Planes planes_of(const Three<Array>& arrays, const Levels& levels) {
    Yuv::Planes planes{};
    const Array* const all[3] = {&std::get<0>(arrays), &std::get<1>(arrays), &std::get<2>(arrays)};
    planes.wide = all[0]->dtype() == nb::dtype<std::uint16_t>();
    for (int i = 0; i < 3; ++i) {
        const auto bytes = static_cast<std::ptrdiff_t>(all[i]->itemsize());
        require(all[i]->dtype() == (planes.wide ? nb::dtype<std::uint16_t>() : nb::dtype<std::uint8_t>()));
        require(all[i]->size() > 0 && (all[i]->shape(1) == 1 || all[i]->stride(1) == 1));
        planes.data[i] = static_cast<unsigned char*>(const_cast<void*>(static_cast<const void*>(all[i]->data())));
        planes.stride[i] = all[i]->stride(0) * bytes;
    }
    std::tie(planes.black, planes.luma, planes.grey, planes.chroma, planes.maximum) = levels;
    return planes;
}

void brighten_yuv(const Three<Plane>& dark, const Levels& dark_levels, const Three<OutPlane>& bright,
                  const Levels& bright_levels, const std::tuple<float, float>& matrix, const Maps& maps,
                  std::int64_t iterations, int threads, const std::string& instructions) {
    const auto &y = std::get<0>(dark), &u = std::get<1>(dark), &v = std::get<2>(dark);
    Yuv job{};
    job.in = planes_of(dark, dark_levels);
    job.out = planes_of(bright, bright_levels);
    std::tie(job.red, job.blue) = matrix;
    Job& curve = job.curve;
    curve.height = extent(y, 0);
    curve.width = extent(y, 1);
    job.down = extent(u, 0) == curve.height ? 1 : 2;
    job.across = extent(u, 1) == curve.width ? 1 : 2;
    curve.iterations = iterations;
    curve.maps = maps.data();
    curve.steps = extent(maps, 0);
    curve.map_channels = extent(maps, 1);
    curve.map_height = extent(maps, 2);
    curve.map_width = extent(maps, 3);
    require(extent(u, 0) == (curve.height + job.down - 1) / job.down &&
            extent(u, 1) == (curve.width + job.across - 1) / job.across);
    require(same_shape(u, v) && same_shape(y, std::get<0>(bright)) && same_shape(u, std::get<1>(bright)) &&
            same_shape(u, std::get<2>(bright)));
    require((curve.steps == 1 || curve.steps == iterations) && (curve.map_channels == 1 || curve.map_channels == 3) &&
            maps.size() > 0 && iterations > 0 && threads > 0);

    const FilmKernel& kernel = instruction_set(instructions).film;
    const float finer = job.in.wide && !job.out.wide ? 256.0f : 1.0f;
    const bool same_levels = job.in.black == finer * job.out.black && job.in.luma == finer * job.out.luma &&
                             job.in.grey == finer * job.out.grey && job.in.chroma == finer * job.out.chroma;
    const bool usual_levels = job.out.black <= 16.0f && job.out.luma >= 128.0f && job.out.chroma >= job.out.luma &&
                              job.out.chroma <= 255.0f && job.out.grey == 128.0f;
    job.words = kernel.words && iterations == 8 && !job.out.wide && same_levels && usual_levels;
    const bool whole = curve.map_height == 1 && curve.map_width == 1 && !job.words;
    const std::int64_t width = whole ? curve.width : tile_width;
    const std::int64_t height = std::max<std::int64_t>(1, tile_pixels / width / 2) * 2;  // even, so that no cell is cut
    const std::int64_t across = (curve.width + width - 1) / width;
    const std::int64_t tiles = across * ((curve.height + height - 1) / height);
    const std::size_t bytes = kernel.brighten(job, {0, height, 0, width}, nullptr);
    nb::gil_scoped_release release;
    share(tiles, std::clamp<std::int64_t>(tiles / tiles_per_thread, 1, threads), bytes,
          [&](std::int64_t i, unsigned char* scratch) {
              const std::int64_t top = i / across * height, left = i % across * width;
              kernel.brighten(job, {top, std::min(top + height, curve.height), left, std::min(left + width, curve.width)},
                              scratch);
          });
}

void average_planes(const Three<Plane>& frame, const Three<Contiguous<const std::uint16_t>>& before,
                    const Contiguous<const std::uint8_t>& count, const Three<Contiguous<std::uint16_t>>& after,
                    const Contiguous<std::uint8_t>& next_count, int shift, float size_limit, float shift_limit,
                    float shift_share, int frames, int threads, const std::string& instructions) {
    Average job{};
    job.wide = std::get<0>(frame).dtype() == nb::dtype<std::uint16_t>();
    job.shift = shift;
    job.rows = extent(count, 0);
    job.columns = extent(count, 1);
    const auto add = [&](int i, const Plane& plane, const auto& old, const auto& fresh) {
        const auto bytes = static_cast<std::ptrdiff_t>(plane.itemsize());
        Average::Plane& to = job.planes[i];
        to = {static_cast<const unsigned char*>(plane.data()), plane.stride(0) * bytes, plane.stride(1) * bytes,
              old.data(), fresh.data(), extent(plane, 0), extent(plane, 1), 1, 1};
        if (i == 0) {
            to.down = to.height == job.rows ? 1 : 2;
            to.across = to.width == job.columns ? 1 : 2;
        }
        require(plane.dtype() == (job.wide ? nb::dtype<std::uint16_t>() : nb::dtype<std::uint8_t>()));
        require(to.width > 0 && same_shape(plane, old) && same_shape(plane, fresh));
        require(job.rows == (to.height + to.down - 1) / to.down && job.columns == (to.width + to.across - 1) / to.across);
    };
    add(0, std::get<0>(frame), std::get<0>(before), std::get<0>(after));
    add(1, std::get<1>(frame), std::get<1>(before), std::get<1>(after));
    add(2, std::get<2>(frame), std::get<2>(before), std::get<2>(after));
    require(same_shape(count, next_count) && frames >= 1 && frames <= 255 && threads >= 1);
    require(shift >= 0 && shift <= (job.wide ? 15 : 8));
    job.count = count.data();
    job.next_count = next_count.data();
    job.reach_down = job.planes[0].down == 2 ? 1 : 2;
    job.reach_across = job.planes[0].across == 2 ? 1 : 2;
    job.size_limit = size_limit;
    job.shift_limit = shift_limit;
    job.shift_share = shift_share;
    job.frames = frames;

    const FilmKernel& kernel = instruction_set(instructions).film;
    const std::int64_t bands = (job.rows + band_height - 1) / band_height;
    const std::size_t bytes = kernel.average_scratch(job);
    nb::gil_scoped_release release;
    share(bands, std::min<std::int64_t>(bands, threads), bytes, [&](std::int64_t i, unsigned char* scratch) {
        kernel.average(job, i * band_height, std::min((i + 1) * band_height, job.rows), scratch);
    });
}

}  // namespace

void add_film(nb::module_& module) {
    using namespace nb::literals;
    module.def("brighten_yuv", &brighten_yuv, "dark"_a, "dark_levels"_a, "bright"_a, "bright_levels"_a, "matrix"_a,
               "maps"_a.noconvert(), "iterations"_a, "threads"_a, "instructions"_a = "",
               "Walk the curve on planes (Y, U, V) from dark into bright, which may be the same; levels are (black, luma, "
               "grey, chroma, maximum), matrix the weights of red and blue.");
    module.def("average_planes", &average_planes, "frame"_a, "before"_a.noconvert(), "count"_a.noconvert(),
               "after"_a.noconvert(), "next_count"_a.noconvert(), "shift"_a, "size_limit"_a, "shift_limit"_a, "shift_share"_a,
               "frames"_a, "threads"_a, "instructions"_a = "",
               "One step of the average over time, from before and count into after and next_count, in units of 2^-shift.");
}

}  // namespace undim
