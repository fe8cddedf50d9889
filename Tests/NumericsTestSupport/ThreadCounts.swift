import Kernels

/// Thread counts whose results are compared: one, even, odd, and more than most test machines have cores.
public let comparedThreadCounts = [1, 2, 3, 5]

/// What `body` gives on each of `comparedThreadCounts`, as bits: they must all be the same.
public func bitsByThreadCount(_ body: (ThreadPool) -> [Float]) -> [[UInt32]] {
  comparedThreadCounts.map { bitPatterns(body(ThreadPool(threadCount: $0))) }
}
