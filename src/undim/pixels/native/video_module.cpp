// The functions of undim._native for video: checks that the arguments fit together, cuts frames
// into tiles.

#include "video_module.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <string>

#include "arguments.hpp"
#include "cpu.hpp"
#include "workers.hpp"

namespace undim {
namespace {

constexpr std::int64_t tile_pixels = 1 << 16;
constexpr std::int64_t tiles_per_thread = 4;  // fewer take less time than the start of a thread
constexpr std::int64_t band_height = 64;      // of the average, in rows of cells

template <typename Array>
using Three = std::array<Array, 3>;

using Plane = nb::ndarray<nb::ro, nb::ndim<2>, nb::device::cpu>;
using OutPlane = nb::ndarray<nb::ndim<2>, nb::device::cpu>;

template <typename T>
using Contiguous = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// The shapes of planes, for errors.
template <typename Array>
std::string shapes_of(const Three<Array>& planes) {
    return shape_of(planes[0]) + ", " + shape_of(planes[1]) + ", " + shape_of(planes[2]);
}

template <typename Array>
Three<Array> three_of(nb::handle planes) {
    require(nb::len(planes) == 3, std::to_string(nb::len(planes)) + " planes", "three");
    return {array_of<Array>(planes[0], "planes"), array_of<Array>(planes[1], "planes"),
            array_of<Array>(planes[2], "planes")};
}

// Whether the samples are uint16, and not uint8; all planes' must be the same.
template <typename Array>
bool wide_of(const Three<Array>& planes) {
    const bool wide = planes[0].dtype() == nb::dtype<std::uint16_t>();
    for (const Array& plane : planes)
        require(plane.dtype() == (wide ? nb::dtype<std::uint16_t>() : nb::dtype<std::uint8_t>()),
                "planes of several or other types", "all of uint8 or all of uint16");
    return wide;
}

// Samples of the first plane to a sample of the others along an axis: 1, or 2 with the last cell
// cut where they are odd.
template <typename Array>
std::int64_t per_cell(const Three<Array>& planes, std::size_t axis) {
    const std::int64_t fine = extent(planes[0], axis), coarse = extent(planes[2], axis);
    require(fine > 0 && same_shape(planes[1], planes[2]) &&
                (coarse == fine || coarse == (fine + 1) / 2),
            "planes of shapes " + shapes_of(planes),
            "Y not empty, U and V of its size or half of it, rounded up");
    return coarse == fine ? 1 : 2;
}

template <typename Array>
Yuv::Planes planes_of(nb::handle frame, const Three<Array>& arrays) {
    Yuv::Planes planes{};
    planes.wide = wide_of(arrays);
    for (int i = 0; i < 3; ++i) {
        const Array& array = arrays[i];
        require(array.shape(1) == 1 || array.stride(1) == 1,
                "planes with strides between the samples of a row", "them side by side");
        planes.data[i] =
            static_cast<unsigned char*>(const_cast<void*>(static_cast<const void*>(array.data())));
        planes.stride[i] = array.stride(0) * static_cast<std::ptrdiff_t>(array.itemsize());
    }
    const auto levels = nb::cast<std::array<float, 5>>(frame.attr("levels"));
    planes.black = levels[0];
    planes.luma = levels[1];
    planes.grey = levels[2];
    planes.chroma = levels[3];
    planes.maximum = levels[4];
    return planes;
}

void brighten_yuv(nb::handle dark, nb::handle bright, nb::handle curve, int threads,
                  const std::string& instructions) {
    const auto in = three_of<Plane>(dark.attr("planes"));
    const auto out = three_of<OutPlane>(bright.attr("planes"));
    for (int i = 0; i < 3; ++i)
        require(same_shape(in[i], out[i]),
                "planes of shapes " + shapes_of(out) + " for " + shapes_of(in), "the same");
    const auto weights = nb::cast<std::array<float, 2>>(dark.attr("weights"));
    Yuv job{};
    job.height = extent(in[0], 0);
    job.width = extent(in[0], 1);
    job.down = per_cell(in, 0);
    job.across = per_cell(in, 1);
    job.in = planes_of(dark, in);
    job.out = planes_of(bright, out);
    job.red = weights[0];
    job.blue = weights[1];
    job.curve = curve_of(curve);
    require(job.curve.iterations > 0, "iterations=0", "at least 1");
    check_threads(threads);

    const VideoKernel& kernel = instruction_set(instructions).video;
    const std::int64_t width = kernel.tile_width(job);
    const std::int64_t height =
        std::max<std::int64_t>(1, tile_pixels / width / 2) * 2;  // even, so that no cell is cut
    const std::int64_t across = (job.width + width - 1) / width;
    const std::int64_t tiles = across * ((job.height + height - 1) / height);
    const std::int64_t workers = std::clamp<std::int64_t>(tiles / tiles_per_thread, 1, threads);
    const std::size_t bytes = kernel.brighten(job, {0, height, 0, width}, nullptr);
    nb::gil_scoped_release release;
    share(tiles, workers, bytes, [&](std::int64_t i, unsigned char* scratch) {
        const std::int64_t top = i / across * height, left = i % across * width;
        const std::int64_t bottom = std::min(top + height, job.height);
        kernel.brighten(job, {top, bottom, left, std::min(left + width, job.width)}, scratch);
    });
}

void average_planes(nb::handle frame, int depth, nb::handle before, nb::handle after,
                    nb::handle limits, int threads, const std::string& instructions) {
    const auto fresh = three_of<Plane>(frame);
    const auto old = three_of<Contiguous<const std::uint16_t>>(before.attr("planes"));
    const auto next = three_of<Contiguous<std::uint16_t>>(after.attr("planes"));
    const auto count = array_of<Contiguous<const std::uint8_t>>(before.attr("count"), "count");
    const auto next_count = array_of<Contiguous<std::uint8_t>>(after.attr("count"), "count");
    Average job{};
    job.wide = wide_of(fresh);
    require(depth <= 16 && depth >= (job.wide ? 1 : 8), "depth=" + std::to_string(depth),
            "the bits of a sample that are in use");
    job.shift = 16 - depth;
    for (int i = 0; i < 3; ++i) {
        const Plane& plane = fresh[i];
        require(same_shape(plane, old[i]) && same_shape(plane, next[i]),
                "planes of shapes " + shapes_of(old) + " for " + shapes_of(fresh), "the same");
        const auto bytes = static_cast<std::ptrdiff_t>(plane.itemsize());
        job.planes[i] = {static_cast<const unsigned char*>(plane.data()),
                         plane.stride(0) * bytes,
                         plane.stride(1) * bytes,
                         old[i].data(),
                         next[i].data(),
                         extent(plane, 0),
                         extent(plane, 1),
                         1,
                         1};
    }
    job.planes[0].down = per_cell(fresh, 0);
    job.planes[0].across = per_cell(fresh, 1);
    require(same_shape(count, fresh[2]) && same_shape(next_count, fresh[2]),
            "count of shape " + shape_of(count) + " for planes of " + shapes_of(fresh),
            "that of the last plane");
    check_threads(threads);
    job.count = count.data();
    job.next_count = next_count.data();
    job.rows = extent(count, 0);
    job.columns = extent(count, 1);
    job.reach_down = job.planes[0].down == 2 ? 1 : 2;
    job.reach_across = job.planes[0].across == 2 ? 1 : 2;
    job.size_limit = nb::cast<float>(limits.attr("size"));
    job.shift_limit = nb::cast<float>(limits.attr("shift"));
    job.shift_share = nb::cast<float>(limits.attr("share"));
    job.frames = nb::cast<int>(limits.attr("frames"));
    require(job.frames >= 1 && job.frames <= 255, "frames=" + std::to_string(job.frames),
            "1 to 255");

    const VideoKernel& kernel = instruction_set(instructions).video;
    const std::int64_t bands = (job.rows + band_height - 1) / band_height;
    const std::size_t bytes = kernel.average_scratch(job);
    nb::gil_scoped_release release;
    share(bands, std::min<std::int64_t>(bands, threads), bytes,
          [&](std::int64_t i, unsigned char* scratch) {
              const std::int64_t top = i * band_height;
              kernel.average(job, top, std::min(top + band_height, job.rows), scratch);
          });
}

}  // namespace

void add_video(nb::module_& module) {
    using namespace nb::literals;
    module.def("brighten_yuv", &brighten_yuv, "dark"_a, "bright"_a, "curve"_a, "threads"_a,
               "instructions"_a = "",
               "Walk the curve on the planes of dark into those of bright, which may be the same.");
    module.def("average_planes", &average_planes, "frame"_a, "depth"_a, "before"_a, "after"_a,
               "limits"_a, "threads"_a, "instructions"_a = "",
               "One step of the average over time, from before into after, with a frame of `depth` "
               "bits.");
}

}  // namespace undim
