// The part of the module undim._native that is for film.
#pragma once

#include <nanobind/nanobind.h>

namespace undim {

void add_film(nanobind::module_& module);

}  // namespace undim
