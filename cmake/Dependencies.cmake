# What comes from outside; every one is a Debian package named in dev/packages.txt.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(cpprestsdk REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(PSL REQUIRED IMPORTED_TARGET libpsl)

# OpenSSL as a program wants it: shared, but for the one that is linked statically and says so by
# its property SANDGATE_STATIC (the runner, which lives in images that have no OpenSSL).
find_library(SANDGATE_SSL_ARCHIVE libssl.a REQUIRED)
find_library(SANDGATE_CRYPTO_ARCHIVE libcrypto.a REQUIRED)
find_library(SANDGATE_SECCOMP_ARCHIVE libseccomp.a REQUIRED)
set(sandgate_static "$<BOOL:$<TARGET_PROPERTY:SANDGATE_STATIC>>")
# Targets, so that the one stands behind the other on every command line.
add_library(sandgate_crypto_archive STATIC IMPORTED)
set_target_properties(sandgate_crypto_archive PROPERTIES
  IMPORTED_LOCATION ${SANDGATE_CRYPTO_ARCHIVE})
add_library(sandgate_ssl_archive STATIC IMPORTED)
set_target_properties(sandgate_ssl_archive PROPERTIES
  IMPORTED_LOCATION ${SANDGATE_SSL_ARCHIVE} INTERFACE_LINK_LIBRARIES sandgate_crypto_archive)
add_library(sandgate_crypto INTERFACE)
target_link_libraries(sandgate_crypto INTERFACE
  "$<IF:${sandgate_static},sandgate_crypto_archive,OpenSSL::Crypto>")
add_library(sandgate_ssl INTERFACE)
target_link_libraries(sandgate_ssl INTERFACE
  "$<IF:${sandgate_static},sandgate_ssl_archive,OpenSSL::SSL>" sandgate_crypto)
