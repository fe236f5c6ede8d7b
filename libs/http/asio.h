// Asio as this folder and the egress proxy use it (link sandgate_asio). No public header includes it.
#pragma once

// clang-format off: Asio 1.18 uses std::exchange without including it
#include <utility>
// clang-format on

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace sandgate::http {

namespace net = boost::asio;
using boost::system::error_code;
using Tcp = net::ip::tcp;
using TlsContext = net::ssl::context;

}  // namespace sandgate::http
