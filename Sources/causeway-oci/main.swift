import Glibc

exit(OCIRuntime(arguments: CommandLine.unsafeArgv).run())
