# How everything is compiled: the language, warnings as errors, sanitizers, hardening.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(SANDGATE_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined or thread")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

include(CheckPIESupported)
check_pie_supported()

add_library(sandgate_options INTERFACE)
target_include_directories(sandgate_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(sandgate_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Werror
  -fstack-protector-strong -fno-omit-frame-pointer
  # The debug paths say where in the tree, not where on whose machine.
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
target_compile_definitions(sandgate_options INTERFACE SANDGATE_VERSION="${PROJECT_VERSION}")

if(SANDGATE_SANITIZE)
  target_compile_options(sandgate_options INTERFACE
    -fsanitize=${SANDGATE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sandgate_options INTERFACE -fsanitize=${SANDGATE_SANITIZE})
else()
  target_link_options(sandgate_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
  target_compile_definitions(sandgate_options INTERFACE _FORTIFY_SOURCE=2)
else()
  target_compile_definitions(sandgate_options INTERFACE _GLIBCXX_ASSERTIONS)
endif()

# sandgate_library(NAME SOURCES... [LINK LIBS...]): a static library of one folder.
function(sandgate_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC sandgate_options ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
endfunction()

# sandgate_program(NAME SOURCES... LINK LIBS...): a program in bin/.
function(sandgate_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE sandgate_options ${arg_LINK})
endfunction()
