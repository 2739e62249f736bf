# Run by CPack for the .deb, after the install rules: what Debian wants elsewhere, or in another form
# than an installation from the tarball has it.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(share ${root}/usr/share)

find_program(GZIP gzip REQUIRED)

# gzip_file(FILE): replaced by FILE.gz, without a name or a time in it.
function(gzip_file file)
  execute_process(COMMAND ${GZIP} -9nf ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# put(FILE TO): file(INSTALL) would add the DESTDIR that CPack has set for the install rules.
function(put file to)
  get_filename_component(directory ${to} DIRECTORY)
  file(MAKE_DIRECTORY ${directory})
  file(COPY_FILE ${CPACK_EVERGATE_SOURCE}/packaging/${file} ${to})
  file(CHMOD ${to} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endfunction()

put(evergate.conf ${root}/etc/evergate/evergate.conf)
put(evergate.logrotate ${root}/etc/logrotate.d/evergate)
put(debian/evergate.default ${root}/etc/default/evergate)
put(debian/lintian-overrides ${share}/lintian/overrides/evergate)
put(debian/copyright ${share}/doc/evergate/copyright)
configure_file(${CPACK_EVERGATE_SOURCE}/packaging/debian/changelog.in
  ${share}/doc/evergate/changelog @ONLY)
gzip_file(${share}/doc/evergate/changelog)

file(GLOB pages ${share}/man/man*/*)
foreach(page ${pages})
  gzip_file(${page})
endforeach()

# Installed as conffiles already.
file(REMOVE_RECURSE ${share}/evergate)
