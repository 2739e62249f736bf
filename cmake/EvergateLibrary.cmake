# evergate_library(NAME USES lib... LINKS external...): the folder's sources as one static library.
# USES are the arrows between folders; scripts/check_tree.py holds the includes to them.
function(evergate_library name)
  cmake_parse_arguments(arg "" "" "USES;LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  add_library(evergate_${name} STATIC ${sources})
  list(TRANSFORM arg_USES PREPEND evergate_)
  target_link_libraries(evergate_${name} PUBLIC evergate_flags ${arg_USES} ${arg_LINKS})
endfunction()
