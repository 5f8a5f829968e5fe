/// Bodies as real clients send them, seen on the wire.
enum Bodies {
    /// CLI 28.2: `service create --name web --replicas 2 -p 8080:80 --network mynet nginx:alpine`.
    static let cliService = #"""
        {"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:alpine@sha256:0123","Init":false,"DNSConfig":{}},"Resources":{"Limits":{},"Reservations":{}},"Placement":{"Platforms":[{"Architecture":"amd64","OS":"linux"}]},"Networks":[{"Target":"net1"}],"ForceUpdate":0},"Mode":{"Replicated":{"Replicas":2}},"EndpointSpec":{"Mode":"vip","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}]}}
        """#

    /// docker-py: names of fields in lower case where it feels like it.
    static let dockerPyService = #"""
        {"Name":"py","Labels":{"replicas":"x","MODE":null},"TaskTemplate":{"ContainerSpec":{"Image":"busybox","Command":["true"],"bogus":1}},"Mode":{"replicated":{"replicas":3}},"RollbackConfig":{"order":"start-first"}}
        """#

    /// CLI 28.2: what `stack deploy` makes of a service that says nothing.
    static let stackService = #"""
        {"Name":"S_x","Labels":{"com.docker.stack.image":"busybox","com.docker.stack.namespace":"S"},"TaskTemplate":{"ContainerSpec":{"Image":"busybox:latest","Labels":{"com.docker.stack.namespace":"S"},"Privileges":{"CredentialSpec":null,"SELinuxContext":null,"NoNewPrivileges":false}},"Resources":{},"Placement":{"Platforms":[{"Architecture":"amd64","OS":"linux"}]},"Networks":[{"Target":"S_default","Aliases":["x"]}],"ForceUpdate":0},"Mode":{"Replicated":{}},"EndpointSpec":{}}
        """#

    /// CLI 28.2: `network create -d overlay --attachable --subnet 10.0.1.0/24 mynet`.
    static let cliNetwork = #"""
        {"Name":"mynet","Driver":"overlay","Scope":"","IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"10.0.1.0/24"}]},"Internal":false,"Attachable":true,"Ingress":false,"ConfigOnly":false,"ConfigFrom":null,"Options":{},"Labels":{}}
        """#

    /// CLI 28.2: `swarm init --advertise-addr 10.0.0.1`.
    static let cliInit = #"""
        {"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"10.0.0.1","DataPathAddr":"","DataPathPort":0,"ForceNewCluster":false,"Spec":{"Labels":null,"Orchestration":{},"Raft":{"ElectionTick":0,"HeartbeatTick":0},"Dispatcher":{},"CAConfig":{},"TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":false}},"AutoLockManagers":false,"Availability":"","DefaultAddrPool":[],"SubnetSize":24}
        """#
}
