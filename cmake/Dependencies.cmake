# Libraries from Debian packages; nothing is downloaded and nothing is vendored.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent libevent_pthreads)
pkg_check_modules(LIBCONFIG REQUIRED IMPORTED_TARGET libconfig)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)

# llhttp: the system's library where there is one, else the C sources that Debian 12 ships in
# node-llhttp. LLHTTP_STRICT_MODE is off by default there, and off it tolerates what we must not.
add_library(llhttp INTERFACE)
pkg_check_modules(LIBLLHTTP QUIET IMPORTED_TARGET libllhttp)
if(LIBLLHTTP_FOUND)
  target_link_libraries(llhttp INTERFACE PkgConfig::LIBLLHTTP)
else()
  find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH REQUIRED)
  find_path(LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH REQUIRED)
  add_library(llhttp_sources STATIC
    ${LLHTTP_SOURCE_DIR}/llhttp.c ${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c)
  target_include_directories(llhttp_sources SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
  target_compile_definitions(llhttp_sources PRIVATE LLHTTP_STRICT_MODE=1)
  target_compile_options(llhttp_sources PRIVATE -w)
  target_link_libraries(llhttp INTERFACE llhttp_sources)
endif()
