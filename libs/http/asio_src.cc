// The one file that compiles Asio's and Beast's own sources (see CMakeLists.txt).
// clang-format off: Asio 1.18 uses std::exchange without including it
#include <utility>
// clang-format on

#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
