// SPDX-License-Identifier: Apache-2.0
package dev.belay.cli;

import dev.belay.net.Address;
import dev.belay.serve.Export;
import dev.belay.serve.ServerOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What {@code belay serve} was asked for, checked as far as that goes without doing it.
 *
 * @param exports at least one
 * @param addresses where to listen; none only with a command, which then gets a socket of its own
 * @param tls which URIs lead there
 * @param isJson whether events are told as objects
 * @param control where the control socket is to be; null for the user's place
 * @param metrics where HTTP answers with the counters; null for nowhere
 * @param grace how long requests may run on at the end
 * @param command what to run; null to serve until told to stop
 */
record ServePlan(
    List<Export> exports,
    ServerOptions options,
    List<Address> addresses,
    ServeTls tls,
    boolean isJson,
    @Nullable Path control,
    Address.@Nullable Tcp metrics,
    Duration grace,
    @Nullable String command) {}
