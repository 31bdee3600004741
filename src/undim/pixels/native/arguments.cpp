#include "arguments.hpp"

#include <nanobind/stl/string.h>

namespace undim {

void require(bool good, const std::string& got, const std::string& expected) {
    if (!good) throw nb::value_error(("got " + got + ", expected " + expected).c_str());
}

void check_threads(int threads) {
    require(threads >= 1, "threads=" + std::to_string(threads), "at least 1");
}

Sample sample_of(nb::dlpack::dtype dtype) {
    if (dtype == nb::dtype<std::uint8_t>()) return Sample::u8;
    if (dtype == nb::dtype<std::uint16_t>()) return Sample::u16;
    if (dtype == nb::dtype<float>()) return Sample::f32;
    throw nb::type_error("got samples of another type, expected uint8, uint16 or float32");
}

namespace {

void check_levels(const Curve& curve, const std::string& steps) {
    require(curve.levels == 1 || (curve.steps == 1 && curve.channels == 1),
            "steps of shape " + steps + " with " + std::to_string(curve.levels) + " levels",
            "(1, 1, Z, h, w) where there is more than one level");
    if (curve.levels == 1) return;  // then it is the same where it stands
    bool ascending = curve.brightness[0] == 0.0f && curve.brightness[curve.levels - 1] == 1.0f;
    for (std::int64_t z = 1; z < curve.levels; ++z)
        ascending = ascending && curve.brightness[z - 1] < curve.brightness[z];
    require(ascending, "levels in another order or range", "them ascending from 0 to 1");
}

}  // namespace

Curve curve_of(nb::handle object) {
    using Steps = nb::ndarray<const float, nb::ndim<5>, nb::c_contig, nb::device::cpu>;
    using Levels = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    const auto steps = array_of<Steps>(object.attr("steps"), "steps");
    const auto levels = array_of<Levels>(object.attr("levels"), "levels");
    const auto n = nb::cast<std::int64_t>(object.attr("iterations"));
    const std::string iterations = std::to_string(n), shape = shape_of(steps);
    require(n >= 0, "iterations=" + iterations, "at least 1, or 0 for no curve");
    require(steps.size() > 0 && (extent(steps, 0) == 1 || extent(steps, 0) == n) &&
                (extent(steps, 1) == 1 || extent(steps, 1) == 3),
            "steps of shape " + shape + " for " + iterations + " iterations",
            "(1 or " + iterations + ", 1 or 3, Z, h, w)");
    require(levels.size() == steps.shape(2),
            std::to_string(levels.size()) + " levels for steps of shape " + shape,
            std::to_string(steps.shape(2)));
    const Curve curve{n,
                      steps.data(),
                      extent(steps, 0),
                      extent(steps, 1),
                      extent(steps, 2),
                      extent(steps, 3),
                      extent(steps, 4),
                      levels.data()};
    check_levels(curve, shape);
    return curve;
}

Filter filter_of(nb::handle object) {
    const Filter filter{nb::cast<std::int64_t>(object.attr("radius")),
                        nb::cast<float>(object.attr("eps")),
                        nb::cast<float>(object.attr("chroma_eps"))};
    require(filter.radius >= 0, "radius=" + std::to_string(filter.radius),
            "at least 1, or 0 for no filter");
    require(filter.radius == 0 || filter.eps > 0.0f, "eps=" + std::to_string(filter.eps),
            "a variance above 0");
    require(filter.chroma_eps >= 0.0f, "chroma_eps=" + std::to_string(filter.chroma_eps),
            "a variance above 0, or 0 to filter R, G and B");
    return filter;
}

}  // namespace undim
