import FailureDetection
import Foundation
import Testing

/// Which addresses a rank listens at.
@Suite struct RankLocationTests {
  private func location(_ stack: String, _ addresses: String...) -> RankLocation {
    RankLocation(([stack] + addresses).joined(separator: " "))
  }

  @Test func ranksOfOneHostNeedNoNetwork() {
    let here = location("a", "10.0.0.1/24", "192.168.1.1/16")
    #expect(here.listeningAddresses(for: [here, here]) { _ in nil } == ["127.0.0.1"])
  }

  @Test func otherHostsAreMetOnTheNetworkInCommon() {
    let here = location("a", "192.168.1.1/16", "10.0.0.1/24")
    let others = [location("b", "172.16.0.9/12", "10.0.0.2/24"), location("c", "10.0.0.3/24"), here]
    #expect(here.listeningAddresses(for: others) { _ in nil } == ["127.0.0.1", "10.0.0.1"])
    #expect(here.listeningAddresses(for: Array(others.prefix(2))) { _ in nil } == ["10.0.0.1"])
  }

  @Test func whereNoNetworkIsInCommonTheRouteTells() {
    let here = location("a", "192.168.1.1/16", "10.0.0.1/24")
    let others = [location("b", "10.0.1.2/24")]
    #expect(here.listeningAddresses(for: others) { $0 == "10.0.1.2" ? "10.0.0.1" : nil } == ["10.0.0.1"])
    #expect(here.listeningAddresses(for: others) { _ in nil } == [])
  }

  @Test func itArrivesAsItWasSent() {
    let here = location("a", "192.168.1.1/16", "10.0.0.1/24")
    let there = RankLocation(here.text)
    #expect(there.networkStack == "a" && there.addresses == here.addresses && there.text == here.text)
    #expect(location("b", "10.0.0/24", "300.1.1.1/24", "10.0.0.1/33", "10.0.0.1").addresses.isEmpty)
  }

  @Test func openMPIsChoiceIsOurs() throws {
    let ethernet = try #require(NetworkAddress(interface: "eth0", address: "192.168.1.1", prefixLength: 24))
    let fabric = try #require(NetworkAddress(interface: "ib0", address: "10.1.2.3", prefixLength: 16))
    func chosen(_ environment: [String: String]) -> [String] {
      NetworkAddress.chosen(from: [ethernet, fabric], environment: environment).map(\.interface)
    }
    #expect(chosen([:]) == ["eth0", "ib0"])
    #expect(chosen(["OMPI_MCA_btl_tcp_if_include": "lo,ib0"]) == ["ib0"])
    #expect(chosen(["OMPI_MCA_btl_tcp_if_include": "10.1.0.0/16"]) == ["ib0"])
    #expect(chosen(["OMPI_MCA_oob_tcp_if_include": "192.168.0.0/16"]) == ["eth0"])
    #expect(chosen(["OMPI_MCA_btl_tcp_if_exclude": "127.0.0.1/8,eth0"]) == ["ib0"])
    #expect(chosen(["OMPI_MCA_btl_tcp_if_include": "eth7"]) == ["eth0", "ib0"])
  }

  /// Nothing but loopback is open where all ranks are on one host.
  @Test func theEndpointListensThereOnly() throws {
    let location = RankLocation.own(environment: [:])
    let endpoint = HeartbeatEndpoint(location, others: [location, location])
    #expect(endpoint.text.hasPrefix("127.0.0.1:") && endpoint.listeners.count == 1)
    let ways = endpoint.ways(to: endpoint.text, at: location)
    #expect(ways.count == 1 && ways.first?.address == "127.0.0.1")
    let port = try #require(ways.first?.port)
    for address in location.addresses {
      // Refused at once, or in the end.
      if let socket = Socket.connecting(to: address.text, port: port) {
        var polled = pollfd(fd: socket.descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&polled, 1, 1000)
        #expect(socket.error == ECONNREFUSED)
      }
    }
  }
}
