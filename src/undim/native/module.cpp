// undim._native: checks nothing a Python caller could not have checked, cuts the image into tiles, runs threads.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "average.hpp"
#include "cpu.hpp"
#include "job.hpp"

namespace nb = nanobind;

namespace undim {
namespace {

// Wide enough that the halo of a filter costs little, small enough that a tile's work stays in the cache.
constexpr std::int64_t tile_width = 128, tile_height = 128;
constexpr std::int64_t tiles_per_thread = 8;  // fewer take less time than the start of a thread

bool run(const Job& job, const Kernel& kernel, int threads) {
    const std::int64_t width = std::max(tile_width, 8 * job.radius);
    const std::int64_t height = std::max(tile_height, 8 * job.radius);
    const std::int64_t across = (job.width + width - 1) / width;
    const std::int64_t tiles = across * ((job.height + height - 1) / height);
    const std::int64_t workers = std::clamp<std::int64_t>(tiles / tiles_per_thread, 1, threads);

    const std::size_t bytes = kernel.scratch_bytes(job, {0, height, 0, width});
    std::vector<unsigned char> scratch(static_cast<std::size_t>(workers) * bytes + cache_line);
    const auto start = reinterpret_cast<std::uintptr_t>(scratch.data());
    auto* aligned = scratch.data() + (cache_line - start % cache_line);

    std::atomic<std::int64_t> next{0};
    std::atomic<bool> good{true};
    const auto work = [&](std::int64_t worker) {
        for (std::int64_t i; (i = next.fetch_add(1)) < tiles;) {
            const std::int64_t top = i / across * height, left = i % across * width;
            const Tile tile{top, std::min(top + height, job.height), left, std::min(left + width, job.width)};
            if (!kernel.run_tile(job, tile, aligned + static_cast<std::size_t>(worker) * bytes)) good = false;
        }
    };
    std::vector<std::thread> helpers;
    for (std::int64_t worker = 1; worker < workers; ++worker) {
        try {
            helpers.emplace_back(work, worker);
        } catch (const std::system_error&) {
            break;  // no more threads to be had: the ones there are do the work
        }
    }
    work(0);
    for (auto& helper : helpers) helper.join();
    return good;
}

using AnyArray = nb::ndarray<nb::ro, nb::ndim<3>, nb::device::cpu>;
using OutArray = nb::ndarray<nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Maps = nb::ndarray<const float, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

bool enhance(const AnyArray& image, const OutArray& out, const Maps& maps, std::int64_t iterations, std::int64_t radius,
             float eps, int threads, const std::string& instructions, float chroma_eps) {
    Job job{};
    if (image.dtype() == nb::dtype<std::uint8_t>())
        job.sample = Sample::u8;
    else if (image.dtype() == nb::dtype<std::uint16_t>())
        job.sample = Sample::u16;
    else if (image.dtype() == nb::dtype<float>())
        job.sample = Sample::f32;
    else
        throw nb::type_error("image must be uint8, uint16 or float32");
    const bool same = out.dtype() == image.dtype() && out.shape(0) == image.shape(0) && out.shape(1) == image.shape(1) &&
                      out.shape(2) == image.shape(2);
    const bool steps_fit = maps.shape(0) == 1 || maps.shape(0) == static_cast<std::size_t>(iterations);
    const bool channels_fit = maps.shape(1) == 1 || maps.shape(1) == 3;
    if (!same || image.shape(2) != 3 || !steps_fit || !channels_fit || image.size() == 0 || maps.size() == 0 ||
        iterations < 0 || radius < 0 || (radius > 0 && !(eps > 0)) || !(chroma_eps >= 0) || threads < 1)
        throw nb::value_error("arguments do not fit together");

    const auto bytes = static_cast<std::ptrdiff_t>(image.itemsize());
    job.in = static_cast<const unsigned char*>(image.data());
    job.row_stride = image.stride(0) * bytes;
    job.pixel_stride = image.stride(1) * bytes;
    job.channel_stride = image.stride(2) * bytes;
    job.out = static_cast<unsigned char*>(out.data());
    job.height = static_cast<std::int64_t>(image.shape(0));
    job.width = static_cast<std::int64_t>(image.shape(1));
    job.iterations = iterations;
    job.maps = maps.data();
    job.steps = static_cast<std::int64_t>(maps.shape(0));
    job.map_channels = static_cast<std::int64_t>(maps.shape(1));
    job.map_height = static_cast<std::int64_t>(maps.shape(2));
    job.map_width = static_cast<std::int64_t>(maps.shape(3));
    job.radius = radius;
    job.eps = eps;
    job.chroma_eps = chroma_eps;

    for (const Kernel* kernel : supported_kernels()) {
        if (!instructions.empty() && instructions != kernel->name) continue;
        nb::gil_scoped_release release;
        return run(job, *kernel, threads);
    }
    throw nb::value_error("this processor has no such instruction set");
}

template <typename T, std::size_t dimensions>
using Contiguous = nb::ndarray<T, nb::ndim<dimensions>, nb::c_contig, nb::device::cpu>;

void average(const Contiguous<const std::uint16_t, 3>& frame, const Contiguous<const std::uint16_t, 3>& before,
             const Contiguous<const std::uint8_t, 2>& count, const Contiguous<std::uint16_t, 3>& next_average,
             const Contiguous<std::uint8_t, 2>& next_count, float size_limit, float shift_limit, int frames, int threads) {
    const std::size_t height = frame.shape(0), width = frame.shape(1);
    const auto fits = [&](const auto& array) { return array.shape(0) == height && array.shape(1) == width; };
    if (!fits(before) || !fits(count) || !fits(next_average) || !fits(next_count) || frame.shape(2) != 3 ||
        before.shape(2) != 3 || next_average.shape(2) != 3 || frame.size() == 0 || frames < 1 || frames > 255 || threads < 1)
        throw nb::value_error("arguments do not fit together");
    const Average job{frame.data(),        before.data(),     count.data(),
                      next_average.data(), next_count.data(), static_cast<std::int64_t>(height),
                      static_cast<std::int64_t>(width),       size_limit, shift_limit, frames};
    nb::gil_scoped_release release;
    run(job, threads);
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Kernel* kernel : supported_kernels()) names.emplace_back(kernel->name);
    return names;
}

}  // namespace
}  // namespace undim

NB_MODULE(_native, module) {
    using namespace nb::literals;
    module.def("enhance", &undim::enhance, "image"_a.noconvert(), "out"_a.noconvert(), "maps"_a.noconvert(), "iterations"_a, "radius"_a, "eps"_a, "threads"_a,
               "instructions"_a = "", "chroma_eps"_a = 0.0f,
               "Filter (unless radius is 0) and walk the curve (unless iterations is 0) from image into out; False where "
               "a float sample is NaN or outside of [0, 1].");
    module.def("average", &undim::average, "frame"_a.noconvert(), "average"_a.noconvert(), "count"_a.noconvert(),
               "next_average"_a.noconvert(), "next_count"_a.noconvert(), "size_limit"_a, "shift_limit"_a, "frames"_a,
               "threads"_a, "One step of the average over time, from average and count into next_average and next_count.");
    module.def("instruction_sets", &undim::instruction_sets, "What this processor can run, the fastest first.");
}
