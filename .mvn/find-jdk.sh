# SPDX-License-Identifier: Apache-2.0
# Sourced by the launcher, ./format, .ci/run and the parent pom.
# find_jdk: prints the home of a JDK 25 (with javac), or says in one sentence what to install.

jdk_is_25() {
  [ -x "$1/bin/javac" ] && [ -f "$1/release" ] &&
    grep -qE '^JAVA_VERSION="25[."]' "$1/release"
}

find_jdk() {
  local java candidate
  java=$(command -v java || true)
  if [ -n "$java" ]; then
    java=$(dirname "$(dirname "$(readlink -f "$java" 2>/dev/null || echo "$java")")")
  fi
  local toolchains=()
  if [ -f "$HOME/.m2/toolchains.xml" ]; then
    while read -r candidate; do toolchains+=("$candidate"); done < <(
      sed -n 's:.*<jdkHome>\(.*\)</jdkHome>.*:\1:p' "$HOME/.m2/toolchains.xml")
  fi
  for candidate in \
    "${JDK25_HOME:-}" "${JAVA_HOME:-}" "${JAVA_HOME_25_X64:-}" "${JAVA_HOME_25_ARM64:-}" "$java" "${toolchains[@]:-}" \
    /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/jdk* "$HOME"/.jdks/* \
    "${SDKMAN_DIR:-$HOME/.sdkman}"/candidates/java/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    if [ -n "$candidate" ] && jdk_is_25 "$candidate"; then
      echo "$candidate"
      return 0
    fi
  done
  echo "Belay needs a JDK 25: install one (Debian: apt-get install openjdk-25-jdk-headless; elsewhere: adoptium.net), or set JAVA_HOME to it." >&2
  return 1
}
