//! Making topics, their settings, and who may do what with them.

use std::{
    collections::BTreeMap,
    ffi::{CString, c_char},
    ptr,
    time::Duration,
};

use rdkafka::{
    bindings as sys,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};

use super::{Inquiry, c_string, failed, text};

use sys::{
    rd_kafka_AclOperation_t as Operation, rd_kafka_AclPermissionType_t as Permission,
    rd_kafka_ResourcePatternType_t as Pattern, rd_kafka_ResourceType_t as Resource,
};

/// A rule of the cluster's authorizer: who may, or may not, do something with what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    /// `Topic`, `Group`, `TransactionalId`.
    pub(crate) resource: &'static str,
    pub(crate) name: String,
    /// The name is only how the resource's begins.
    pub(crate) is_prefix: bool,
    /// As `User:intake`.
    pub(crate) principal: String,
    pub(crate) host: String,
    /// As `Write`.
    pub(crate) operation: &'static str,
    pub(crate) allows: bool,
}

const RESOURCES: [(&str, Resource); 4] = [
    ("Topic", Resource::RD_KAFKA_RESOURCE_TOPIC),
    ("Group", Resource::RD_KAFKA_RESOURCE_GROUP),
    ("Cluster", Resource::RD_KAFKA_RESOURCE_BROKER),
    ("TransactionalId", Resource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID),
];

const OPERATIONS: [(&str, Operation); 11] = [
    ("All", Operation::RD_KAFKA_ACL_OPERATION_ALL),
    ("Read", Operation::RD_KAFKA_ACL_OPERATION_READ),
    ("Write", Operation::RD_KAFKA_ACL_OPERATION_WRITE),
    ("Create", Operation::RD_KAFKA_ACL_OPERATION_CREATE),
    ("Delete", Operation::RD_KAFKA_ACL_OPERATION_DELETE),
    ("Alter", Operation::RD_KAFKA_ACL_OPERATION_ALTER),
    ("Describe", Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE),
    ("ClusterAction", Operation::RD_KAFKA_ACL_OPERATION_CLUSTER_ACTION),
    ("DescribeConfigs", Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    ("AlterConfigs", Operation::RD_KAFKA_ACL_OPERATION_ALTER_CONFIGS),
    ("IdempotentWrite", Operation::RD_KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE),
];

/// What the client says of a call's arguments.
type Why = [c_char; 256];

fn refused(why: &Why) -> KafkaError {
    // SAFETY: the client ends what it writes with a zero byte, and it was zero before.
    KafkaError::AdminOpCreation(unsafe { text(why.as_ptr()) })
}

/// The settings of a topic or a broker, to ask about or to change.
struct Settings(*mut sys::rd_kafka_ConfigResource_t);

impl Settings {
    fn of(kind: Resource, name: &CString) -> KafkaResult<Settings> {
        // SAFETY: the name is copied.
        let made = unsafe { sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()) };
        if made.is_null() {
            return Err(KafkaError::AdminOpCreation("the name cannot be used".to_owned()));
        }
        Ok(Settings(made))
    }

    fn of_topic(topic: &str) -> KafkaResult<Settings> {
        Settings::of(Resource::RD_KAFKA_RESOURCE_TOPIC, &c_string(topic)?)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // SAFETY: made by us, given back once.
        unsafe { sys::rd_kafka_ConfigResource_destroy(self.0) }
    }
}

impl Inquiry {
    /// Makes a topic; says whether it was not there already.
    pub(crate) fn create(
        &self,
        topic: &str,
        partitions: u16,
        replicas: u16,
        settings: &[(&str, String)],
        patience: Duration,
    ) -> KafkaResult<bool> {
        let name = c_string(topic)?;
        let mut why: Why = [0; 256];
        // SAFETY: what is made is given back below; names and values are copied; client, options and queue live.
        unsafe {
            let (partitions, replicas) = (i32::from(partitions), i32::from(replicas));
            let mut new =
                sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replicas, why.as_mut_ptr(), why.len());
            if new.is_null() {
                return Err(refused(&why));
            }
            for (name, value) in settings {
                let (name, value) = (c_string(name)?, c_string(value)?);
                sys::rd_kafka_NewTopic_set_config(new, name.as_ptr(), value.as_ptr());
            }
            let answer = self.ask(
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS,
                patience,
                |_| {},
                |options, queue| {
                    sys::rd_kafka_CreateTopics(self.client.native_ptr(), &raw mut new, 1, options, queue);
                },
            );
            sys::rd_kafka_NewTopic_destroy(new);
            let answer = answer?;
            let result = sys::rd_kafka_event_CreateTopics_result(answer.0.as_ptr());
            let mut count = 0;
            let made = sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
            if count == 0 {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage));
            }
            match sys::rd_kafka_topic_result_error(*made) {
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(true),
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS => Ok(false),
                code => {
                    let said = text(sys::rd_kafka_topic_result_error_string(*made));
                    Err(KafkaError::AdminOpCreation(format!("{}: {said}", failed(code))))
                }
            }
        }
    }

    /// The settings of a topic, its own and those it has from the brokers.
    pub(crate) fn settings(&self, topic: &str, patience: Duration) -> KafkaResult<BTreeMap<String, String>> {
        self.settings_of(&Settings::of_topic(topic)?, patience)
    }

    fn settings_of(&self, asked: &Settings, patience: Duration) -> KafkaResult<BTreeMap<String, String>> {
        let mut resource = asked.0;
        let answer = self.ask(
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS,
            patience,
            |_| {},
            // SAFETY: client, resource, options and queue live.
            |options, queue| unsafe {
                sys::rd_kafka_DescribeConfigs(self.client.native_ptr(), &raw mut resource, 1, options, queue);
            },
        )?;
        // SAFETY: all of what is read belongs to the event, which lives until the end.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(answer.0.as_ptr());
            let mut count = 0;
            let found = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            if count == 0 {
                return Err(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage));
            }
            let code = sys::rd_kafka_ConfigResource_error(*found);
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(KafkaError::AdminOp(code.into()));
            }
            let entries = sys::rd_kafka_ConfigResource_configs(*found, &raw mut count);
            let entry = |at| {
                let entry = *entries.add(at);
                let name = text(sys::rd_kafka_ConfigEntry_name(entry));
                (name, text(sys::rd_kafka_ConfigEntry_value(entry)))
            };
            Ok((0..count).map(entry).collect())
        }
    }

    /// Changes these settings of a topic, and no others.
    pub(crate) fn change(
        &self,
        topic: &str,
        settings: &[(&str, String)],
        patience: Duration,
    ) -> KafkaResult<()> {
        let changed = Settings::of_topic(topic)?;
        for (name, value) in settings {
            let (name, value) = (c_string(name)?, c_string(value)?);
            let set = sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET;
            // SAFETY: the resource lives; name and value are copied; an error is given back.
            unsafe {
                let error = sys::rd_kafka_ConfigResource_add_incremental_config(
                    changed.0,
                    name.as_ptr(),
                    set,
                    value.as_ptr(),
                );
                if !error.is_null() {
                    let code = sys::rd_kafka_error_code(error);
                    sys::rd_kafka_error_destroy(error);
                    return Err(KafkaError::AdminOp(code.into()));
                }
            }
        }
        let mut resource = changed.0;
        let answer = self.ask(
            sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS,
            patience,
            |_| {},
            // SAFETY: client, resource, options and queue live.
            |options, queue| unsafe {
                let client = self.client.native_ptr();
                sys::rd_kafka_IncrementalAlterConfigs(client, &raw mut resource, 1, options, queue);
            },
        )?;
        // SAFETY: all of what is read belongs to the event, which lives until the end.
        unsafe {
            let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(answer.0.as_ptr());
            let mut count = 0;
            let found = sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &raw mut count);
            for at in 0..count {
                let code = sys::rd_kafka_ConfigResource_error(*found.add(at));
                if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return Err(KafkaError::AdminOp(code.into()));
                }
            }
        }
        Ok(())
    }

    /// Whether the cluster has an authorizer. The client does not say so of a cluster without one: it gives no rules.
    fn has_authorizer(&self, patience: Duration) -> KafkaResult<bool> {
        let metadata = self.client.fetch_metadata(None, patience)?;
        let broker =
            metadata.brokers().first().ok_or(KafkaError::AdminOp(RDKafkaErrorCode::BrokerNotAvailable))?;
        let asked = Settings::of(Resource::RD_KAFKA_RESOURCE_BROKER, &c_string(&broker.id().to_string())?)?;
        match self.settings_of(&asked, patience) {
            Ok(settings) => Ok(settings.get("authorizer.class.name").is_some_and(|name| !name.is_empty())),
            // Somebody said that we may not know.
            Err(KafkaError::AdminOp(RDKafkaErrorCode::ClusterAuthorizationFailed)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// All rules of the cluster's authorizer; `None`: it has none, everybody may do everything.
    pub(crate) fn rules(&self, patience: Duration) -> KafkaResult<Option<Vec<Rule>>> {
        if !self.has_authorizer(patience)? {
            return Ok(None);
        }
        let mut why: Why = [0; 256];
        // SAFETY: what is made is given back below; client, options and queue live; what is read belongs to the event.
        unsafe {
            let filter = sys::rd_kafka_AclBindingFilter_new(
                Resource::RD_KAFKA_RESOURCE_ANY,
                ptr::null(),
                Pattern::RD_KAFKA_RESOURCE_PATTERN_ANY,
                ptr::null(),
                ptr::null(),
                Operation::RD_KAFKA_ACL_OPERATION_ANY,
                Permission::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
                why.as_mut_ptr(),
                why.len(),
            );
            if filter.is_null() {
                return Err(refused(&why));
            }
            let answer = self.ask(
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEACLS,
                patience,
                |_| {},
                |options, queue| {
                    sys::rd_kafka_DescribeAcls(self.client.native_ptr(), filter, options, queue);
                },
            );
            sys::rd_kafka_AclBinding_destroy(filter);
            let answer = answer?;
            let result = sys::rd_kafka_event_DescribeAcls_result(answer.0.as_ptr());
            let mut count = 0;
            let found = sys::rd_kafka_DescribeAcls_result_acls(result, &raw mut count);
            let rule = |at| {
                let rule = *found.add(at);
                let resource = sys::rd_kafka_AclBinding_restype(rule);
                let operation = sys::rd_kafka_AclBinding_operation(rule);
                Rule {
                    resource: name_in(&RESOURCES, &resource),
                    name: text(sys::rd_kafka_AclBinding_name(rule)),
                    is_prefix: sys::rd_kafka_AclBinding_resource_pattern_type(rule)
                        == Pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED,
                    principal: text(sys::rd_kafka_AclBinding_principal(rule)),
                    host: text(sys::rd_kafka_AclBinding_host(rule)),
                    operation: name_in(&OPERATIONS, &operation),
                    allows: sys::rd_kafka_AclBinding_permission_type(rule)
                        == Permission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
                }
            };
            Ok(Some((0..count).map(rule).collect()))
        }
    }

    /// Adds a rule to the cluster's authorizer.
    pub(crate) fn add_rule(&self, rule: &Rule, patience: Duration) -> KafkaResult<()> {
        let (name, principal, host) =
            (c_string(&rule.name)?, c_string(&rule.principal)?, c_string(&rule.host)?);
        let pattern = if rule.is_prefix {
            Pattern::RD_KAFKA_RESOURCE_PATTERN_PREFIXED
        } else {
            Pattern::RD_KAFKA_RESOURCE_PATTERN_LITERAL
        };
        let permission = if rule.allows {
            Permission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW
        } else {
            Permission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY
        };
        let unknown = || KafkaError::AdminOpCreation(format!("no {} of a {}", rule.operation, rule.resource));
        let resource = of_name(&RESOURCES, rule.resource).ok_or_else(unknown)?;
        let operation = of_name(&OPERATIONS, rule.operation).ok_or_else(unknown)?;
        let mut why: Why = [0; 256];
        // SAFETY: what is made is given back below; texts are copied; client, options and queue live; what is read belongs to
        // the event.
        unsafe {
            let mut new = sys::rd_kafka_AclBinding_new(
                resource,
                name.as_ptr(),
                pattern,
                principal.as_ptr(),
                host.as_ptr(),
                operation,
                permission,
                why.as_mut_ptr(),
                why.len(),
            );
            if new.is_null() {
                return Err(refused(&why));
            }
            let answer = self.ask(
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS,
                patience,
                |_| {},
                |options, queue| {
                    sys::rd_kafka_CreateAcls(self.client.native_ptr(), &raw mut new, 1, options, queue);
                },
            );
            sys::rd_kafka_AclBinding_destroy(new);
            let answer = answer?;
            let result = sys::rd_kafka_event_CreateAcls_result(answer.0.as_ptr());
            let mut count = 0;
            let made = sys::rd_kafka_CreateAcls_result_acls(result, &raw mut count);
            for at in 0..count {
                let error = sys::rd_kafka_acl_result_error(*made.add(at));
                if !error.is_null() {
                    return Err(KafkaError::AdminOp(sys::rd_kafka_error_code(error).into()));
                }
            }
        }
        Ok(())
    }
}

fn name_in<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, known)| known == value).map_or("unknown", |(name, _)| name)
}

fn of_name<T: Copy>(names: &[(&'static str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}
