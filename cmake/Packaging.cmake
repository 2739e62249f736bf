# Install rules, and packages through CPack: a .deb and a .tar.gz. What only the .deb has is
# packaging/debian/tree.cmake's; docs/install.md tells users what there is and where.
install(TARGETS evergate RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN "*.svg" EXCLUDE)
install(DIRECTORY deploy docker DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/evergate.conf packaging/evergate.logrotate
  DESTINATION ${CMAKE_INSTALL_DATADIR}/evergate)

install(FILES man/evergate.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/evergate.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)

# systemd reads units below /usr/lib, /usr/local/lib and /etc. These name the program as Debian has
# it, /usr/bin/evergate; docs/install.md has the line that changes it.
install(FILES deploy/systemd/evergate.service deploy/systemd/evergate.socket
  DESTINATION lib/systemd/system)

# Where each shell looks by itself for what a package brings.
install(FILES completions/evergate.bash RENAME evergate
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES completions/evergate.zsh RENAME _evergate
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES completions/evergate.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_SYSTEM_NAME linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/packaging/generator.cmake)
set(CPACK_EVERGATE_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_PACKAGE_CONTACT "evergate maintainers <evergate@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)

set(debian ${PROJECT_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
# Whose authorities a backend's certificate is verified by, where the configuration names none; and who
# keeps the access log from filling the disk.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, logrotate")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGE_DESCRIPTION "\
Spreads HTTP requests over pools of backends, checks their health, and keeps
answering when some of them fail: breakers, retries, ejection, fallbacks. The
configuration, the backends, certificates and the program itself are changed
while it serves.")
include(CPack)
